/**
 * Width and height of a picture, from its first bytes: before anything of it is unpacked.
 *
 * A file of 30 kB can be a picture of a gigabyte, which a cheap phone answers by ending the page. PNG, JPEG and WebP are
 * read, as by the Python station.
 *
 *     pictureSize(bytes)   ->   { width: 4000, height: 3000 }
 */

import type { Size } from "./crop_plan.ts";

const PNG = "\x89PNG\r\n\x1a\n";
/** Start of frame: 0xC0 to 0xCF, but for tables (C4), an extension (C8) and arithmetic conditions (CC). */
const NO_FRAMES: ReadonlySet<number> = new Set([0xc4, 0xc8, 0xcc]);
/** Markers without a length: TEM, RST0 to RST7, SOI. */
const BARE: ReadonlySet<number> = new Set([0x01, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]);
const FOURTEEN_BITS = 0x3fff;

/** Return what a picture says that its size is; undefined for what is no PNG, JPEG or WebP, or is cut before it. */
export function pictureSize(data: Uint8Array): Size | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  try {
    if (word(view, 0, 8) === PNG) {
      return word(view, 12, 4) === "IHDR" ? { width: view.getUint32(16), height: view.getUint32(20) } : undefined;
    }
    if (view.getUint16(0) === 0xffd8) return sizeOfJpeg(view);
    if (word(view, 0, 4) === "RIFF" && word(view, 8, 4) === "WEBP") return sizeOfWebp(view);
  } catch (error) {
    // The end of the bytes.
    if (!(error instanceof RangeError)) throw error;
  }
  return undefined;
}

/** ITU-T T.81, annex B: segments are walked until the first frame begins. */
function sizeOfJpeg(view: DataView): Size | undefined {
  let at = 2;
  for (;;) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) at += 1;
    else if (BARE.has(marker)) at += 2;
    else if (marker >= 0xc0 && marker <= 0xcf && !NO_FRAMES.has(marker)) {
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    } else at += 2 + view.getUint16(at + 2);
  }
}

/** RFC 9649, sections 2.5 to 2.7: extended, lossless, lossy. */
function sizeOfWebp(view: DataView): Size | undefined {
  switch (word(view, 12, 4)) {
    case "VP8X":
      return { width: 1 + (view.getUint32(23, true) >>> 8), height: 1 + (view.getUint32(26, true) >>> 8) };
    case "VP8L": {
      const bits = view.getUint32(21, true);
      return { width: 1 + (bits & FOURTEEN_BITS), height: 1 + ((bits >>> 14) & FOURTEEN_BITS) };
    }
    case "VP8 ":
      return { width: view.getUint16(26, true) & FOURTEEN_BITS, height: view.getUint16(28, true) & FOURTEEN_BITS };
    default:
      return undefined;
  }
}

function word(view: DataView, at: number, length: number): string {
  return String.fromCharCode(...Array.from({ length }, (_, place) => view.getUint8(at + place)));
}
