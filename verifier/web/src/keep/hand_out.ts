/** Handing files on: to another app where the browser can share them, else as a download. */

/** A file with a name; its bytes are public. */
export interface HandedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** How long a download may take to be read from memory. */
const DOWNLOAD_MS = 60_000;

/** Share the files, or save them where the browser shares no files of their kind. Called in a tap, which sharing asks for. */
export async function handOut(files: readonly HandedFile[]): Promise<void> {
  const made = files.map(({ name, bytes }) => new File([bytes as Uint8Array<ArrayBuffer>], name, { type: typeOf(name) }));
  if (navigator.canShare?.({ files: made })) {
    try {
      await navigator.share({ files: made });
      return;
    } catch (error) {
      // Closed by whoever opened it; anything else means that these files cannot be shared here.
      if (error instanceof DOMException && error.name === "AbortError") return;
    }
  }
  for (const file of made) download(file);
}

function download(file: File): void {
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), DOWNLOAD_MS);
}

function typeOf(name: string): string {
  if (name.endsWith(".json")) return "application/json";
  return name.endsWith(".cbor") ? "application/cbor" : "text/plain";
}
