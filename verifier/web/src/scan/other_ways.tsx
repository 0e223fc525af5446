/** Without the camera: photos that are chosen, dropped or pasted, and the text of a code. */

import { useEffect, useRef, useState } from "preact/hooks";
import { useWords, type Words } from "../words/words.ts";
import { type PicturesRead, readPictures } from "./pictures.ts";
import { linesOf } from "./typed_text.ts";

export interface OtherWaysProps {
  readonly onTexts: (texts: readonly string[]) => void;
  /** Photos are being read; the camera can rest meanwhile. */
  readonly onReading: (isReading: boolean) => void;
  /** Whether the field for text is shown from the beginning. */
  readonly isOpen: boolean;
}

export function OtherWays({ onTexts, onReading, isOpen }: OtherWaysProps) {
  const words = useWords();
  const [notices, setNotices] = useState<readonly string[]>([]);
  const isBusy = useRef(false);
  const isGone = useRef(false);
  useEffect(() => {
    isGone.current = false;
    return () => {
      isGone.current = true;
    };
  }, []);

  const readFiles = async (files: readonly File[]) => {
    if (files.length === 0 || isBusy.current) return;
    isBusy.current = true;
    onReading(true);
    setNotices([words.text("phone.scan.pictures.reading")]);
    try {
      const read = await readPictures(files);
      // Whoever went on meanwhile checks something else, which these codes are no part of.
      if (isGone.current) return;
      setNotices(noticesOf(read, words));
      onTexts([...new Set(read.texts)]);
    } catch {
      setNotices([words.text("phone.scan.problems.no_reader.now")]);
    } finally {
      isBusy.current = false;
      onReading(false);
    }
  };
  const readText = (text: string) => {
    const lines = linesOf(text);
    setNotices(lines.length > 0 ? [] : [words.text("phone.scan.no_text")]);
    onTexts(lines);
  };
  useDropAndPaste((files) => void readFiles(files), readText);

  return (
    <section class="scan-ways" aria-label={words.text("phone.scan.other_ways")}>
      <label class="button scan-file">
        {words.text("page.picture")}
        <input
          type="file"
          accept="image/*"
          multiple
          onChange={({ currentTarget }) => {
            const files = [...(currentTarget.files ?? [])];
            currentTarget.value = "";
            void readFiles(files);
          }}
        />
      </label>
      <p class="soft">{words.text("phone.scan.pictures.hint")}</p>
      <div role="status">
        {notices.map((notice) => (
          <p key={notice}>{notice}</p>
        ))}
      </div>
      <details open={isOpen}>
        <summary>{words.text("phone.scan.text_summary")}</summary>
        <TextField onText={readText} />
      </details>
    </section>
  );
}

/** The field is emptied when it is read: nothing that was typed stays on the screen or comes back with it. */
function TextField({ onText }: { readonly onText: (text: string) => void }) {
  const words = useWords();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    const area = field.current;
    // As a property it would be a yes or no, and "off" a yes.
    area?.setAttribute("autocorrect", "off");
    return () => {
      if (area) area.value = "";
    };
  }, []);
  return (
    <form
      autocomplete="off"
      onSubmit={(event) => {
        event.preventDefault();
        if (!field.current) return;
        const text = field.current.value;
        field.current.value = "";
        onText(text);
      }}
    >
      <label>
        {words.text("phone.scan.text")}
        <textarea
          ref={field}
          rows={3}
          dir="ltr"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          aria-describedby="scan-text-hint"
        />
      </label>
      <p class="soft" id="scan-text-hint">
        {words.text("page.text_hint")}
      </p>
      <button type="submit" class="main">
        {words.text("page.check")}
      </button>
    </form>
  );
}

/** Take photos and text from anywhere on the page; text that is pasted into a field stays there. */
function useDropAndPaste(onFiles: (files: readonly File[]) => void, onText: (text: string) => void): void {
  const take = useRef({ onFiles, onText });
  take.current = { onFiles, onText };
  useEffect(() => {
    const receive = (data: DataTransfer | null, isField: boolean): boolean => {
      const files = [...(data?.files ?? [])];
      if (files.length > 0) {
        take.current.onFiles(files);
        return true;
      }
      const text = isField ? "" : (data?.getData("text/plain") ?? "");
      if (text.trim()) take.current.onText(text);
      return text.trim() !== "";
    };
    const onPaste = (event: ClipboardEvent) => {
      if (receive(event.clipboardData, isTextField(event.target))) event.preventDefault();
    };
    const onDragOver = (event: DragEvent) => event.preventDefault();
    const onDrop = (event: DragEvent) => {
      if (isTextField(event.target) && !event.dataTransfer?.files.length) return;
      // A browser would otherwise leave the page and show the file.
      event.preventDefault();
      receive(event.dataTransfer, false);
    };
    document.addEventListener("paste", onPaste);
    document.addEventListener("dragover", onDragOver);
    document.addEventListener("drop", onDrop);
    return () => {
      document.removeEventListener("paste", onPaste);
      document.removeEventListener("dragover", onDragOver);
      document.removeEventListener("drop", onDrop);
    };
  }, []);
}

function isTextField(target: EventTarget | null): boolean {
  return target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement;
}

function noticesOf({ nothing, tooLarge, notOpened }: PicturesRead, words: Words): readonly string[] {
  const counts = { nothing, too_large: tooLarge, not_opened: notOpened };
  return Object.entries(counts).flatMap(([name, count]) =>
    count > 0 ? [words.text(`phone.scan.pictures.${name}`, { count })] : [],
  );
}
