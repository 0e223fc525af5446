/**
 * Reads codes from the brightness of a picture: zxing-cpp as WebAssembly, from a file of this page.
 *
 * The picture is written into the reader's own memory, read there and wiped. Text is exact: a QR code in alphanumeric
 * or numeric mode, as all of ours are, gives its characters as they are; bytes are given by their declared character
 * set, and otherwise by the reader's guess, which only codes of other systems need.
 *
 *     const decoder = await openDecoder();
 *     decoder.picture(640, 480).set(brightness);
 *     decoder.read(640, 480, "quick")   ->   ["SC1:RRQT..."]
 */

import { prepareZXingModule, purgeZXingModule, type ZXingReaderModule } from "zxing-wasm/reader";
import wasmUrl from "zxing-wasm/reader/zxing_reader.wasm?url";
import type { Effort } from "./crop_plan.ts";
import { KNOWN_TEXT, knownPicture } from "./known_code.ts";

type Options = Parameters<ZXingReaderModule["readBarcodesFromPixmap"]>[3];

/** What is used of the module; its own types leave out memory and the end of a list's life. */
interface Zxing {
  readonly HEAPU8: Uint8Array<ArrayBuffer>;
  _malloc(length: number): number;
  _free(place: number): void;
  readBarcodesFromPixmap(place: number, width: number, height: number, options: Options): FoundCodes;
}

interface FoundCodes {
  size(): number;
  get(at: number): { readonly isValid: boolean; readonly text: string };
  delete(): void;
}

/** As the bindings number them: average of the neighbours, text without marks, character set as declared. */
const LOCAL_AVERAGE = 0;
const PLAIN_TEXT = 0;
const UNKNOWN_SET = 0;
/** More codes than a table of cards shows at once. */
const CODES_MAX = 8;

const QUICK: Options = {
  formats: "QRCode",
  tryHarder: true,
  // A QR code is found at any angle; turning by 90 degrees serves other kinds.
  tryRotate: false,
  tryInvert: false,
  tryDownscale: false,
  tryDenoise: false,
  binarizer: LOCAL_AVERAGE,
  isPure: false,
  downscaleThreshold: 500,
  downscaleFactor: 2,
  minLineCount: 2,
  maxNumberOfSymbols: CODES_MAX,
  validateOptionalChecksum: false,
  returnErrors: false,
  eanAddOnSymbol: 0,
  textMode: PLAIN_TEXT,
  characterSet: UNKNOWN_SET,
  tryCode39ExtendedMode: false,
};
const KINDS: Options = { ...QUICK, formats: "QRCode,Aztec,DataMatrix,PDF417", tryInvert: true };
const OPTIONS: Readonly<Record<Effort, Options>> = {
  quick: QUICK,
  kinds: KINDS,
  all: { ...KINDS, tryRotate: true, tryDownscale: true, tryDenoise: true },
};

export class Decoder {
  readonly #zxing: Zxing;
  #place = 0;
  #length = 0;

  constructor(zxing: Zxing) {
    this.#zxing = zxing;
  }

  /**
   * Return the place for a picture, one byte of brightness for each pixel, row by row.
   *
   * `spare` bytes behind it are there for planes of colour. The place is good until the next call of any method.
   */
  picture(width: number, height: number, spare = 0): Uint8Array<ArrayBuffer> {
    const length = width * height + spare;
    if (length > this.#length) {
      this.close();
      this.#place = this.#zxing._malloc(length);
      if (!this.#place) throw new RangeError("no memory for a picture");
      this.#length = length;
    }
    return this.#zxing.HEAPU8.subarray(this.#place, this.#place + length);
  }

  /** Return the texts of the codes in the picture that was written last, and wipe it. */
  read(width: number, height: number, effort: Effort): string[] {
    const found = this.#zxing.readBarcodesFromPixmap(this.#place, width, height, OPTIONS[effort]);
    try {
      const codes = Array.from({ length: found.size() }, (_, at) => found.get(at));
      return codes.flatMap(({ isValid, text }) => (isValid && text ? [text] : []));
    } finally {
      found.delete();
      this.wipe();
    }
  }

  /** Overwrite the last picture. */
  wipe(): void {
    this.#zxing.HEAPU8.fill(0, this.#place, this.#place + this.#length);
  }

  /** Wipe the last picture and give its memory back. */
  close(): void {
    if (!this.#place) return;
    this.wipe();
    this.#zxing._free(this.#place);
    this.#place = 0;
    this.#length = 0;
  }
}

let loaded: Promise<Zxing> | undefined;

/**
 * Return a reader of its own over the page's one module; rejects where that cannot be loaded or does not read exactly.
 *
 * The first code costs ten times the others, because a browser compiles what is used. So a known one is read first,
 * while the camera opens.
 */
export async function openDecoder(): Promise<Decoder> {
  loaded ??= load().catch((error: unknown) => {
    loaded = undefined;
    throw error;
  });
  return new Decoder(await loaded);
}

/** Load the module anew for the next reader: one that has failed may be left with its memory in disorder. */
export function forgetDecoder(): void {
  purgeZXingModule();
  loaded = undefined;
}

async function load(): Promise<Zxing> {
  const overrides = { locateFile: () => wasmUrl };
  const zxing = (await prepareZXingModule({ overrides, fireImmediately: true })) as unknown as Zxing;
  const decoder = new Decoder(zxing);
  const { luma, size } = knownPicture();
  decoder.picture(size.width, size.height).set(luma);
  const [text] = decoder.read(size.width, size.height, "quick");
  decoder.close();
  if (text !== KNOWN_TEXT) throw new Error("the reader does not read a known code");
  return zxing;
}
