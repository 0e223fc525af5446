/**
 * Reads codes in photos that a worker chooses, drops or pastes.
 *
 * A photo is drawn at no more than 4096 pixels a side, because a phone's memory is small, and tried again at half and
 * a quarter of that: what is blurred is often read when it is smaller. Codes are found at any angle.
 */

import { openDecoder } from "./decoder.ts";
import { LumaGrabber } from "./luma.ts";
import { pictureSize } from "./picture_size.ts";

export const FILE_MAX_BYTES = 8 * 1024 * 1024;
/** As the Python station; unpacked, each is four bytes. */
export const PIXELS_MAX = 50_000_000;
export const FILES_MAX = 16;
const SIDE_MAX = 4096;
const SIDE_MIN = 160;
const SMALLER = [1, 0.5, 0.25];

/** What became of the photos; `nothing` counts those without a code. */
export interface PicturesRead {
  readonly texts: readonly string[];
  readonly nothing: number;
  readonly tooLarge: number;
  /** Files that are no pictures, or of a kind that this browser cannot open. */
  readonly notOpened: number;
}

/** Return the texts of the codes in files, in their order; rejects where the reader cannot be loaded. */
export async function readPictures(files: readonly File[]): Promise<PicturesRead> {
  const texts: string[] = [];
  let nothing = 0;
  let tooLarge = 0;
  let notOpened = 0;
  for (const file of files.slice(0, FILES_MAX)) {
    if (file.size > FILE_MAX_BYTES) {
      tooLarge += 1;
      continue;
    }
    // Of another kind, such as that of an iPhone's photos, only the browser knows.
    const size = pictureSize(new Uint8Array(await file.arrayBuffer().catch(() => new ArrayBuffer(0))));
    if (size && size.width * size.height > PIXELS_MAX) {
      tooLarge += 1;
      continue;
    }
    const found = await readPicture(file);
    if (!found) notOpened += 1;
    else if (found.length === 0) nothing += 1;
    else texts.push(...found);
  }
  return { texts, nothing, tooLarge: tooLarge + Math.max(0, files.length - FILES_MAX), notOpened };
}

/** Return the texts in one file; undefined where it cannot be opened. */
async function readPicture(file: File): Promise<readonly string[] | undefined> {
  const bitmap = await createImageBitmap(file).catch(() => undefined);
  if (!bitmap) return undefined;
  const grabber = new LumaGrabber(await openDecoder());
  try {
    const longest = Math.max(bitmap.width, bitmap.height);
    for (const share of SMALLER) {
      const side = Math.min(longest, SIDE_MAX) * share;
      if (side < SIDE_MIN && share < 1) break;
      const found = grabber.still(bitmap, side / longest);
      if (found.length > 0) return found;
      await breath();
    }
    return [];
  } catch (error) {
    // Too little memory for a picture of this size.
    if (error instanceof RangeError) return undefined;
    throw error;
  } finally {
    grabber.close();
    bitmap.close();
  }
}

/** Let the page answer to fingers. */
function breath(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
