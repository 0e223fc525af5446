/**
 * The browser's own reader of codes, where it has one that gives text exactly: it looks at the same picture, off this
 * page's thread, and often sees what is blurred or far away.
 *
 * It is used only after it has read a code whose text is known (native readers have been seen to trim spaces or guess
 * another character set, and a card would then be called altered), and only for plain ASCII.
 */

import type { Size } from "./crop_plan.ts";
import { KNOWN_TEXT, knownPicture } from "./known_code.ts";

interface NativeCode {
  readonly rawValue: string;
  readonly boundingBox: DOMRectReadOnly;
}

interface NativeDetector {
  detect(source: ImageBitmapSource): Promise<readonly NativeCode[]>;
}

interface NativeDetectorClass {
  new (options: { readonly formats: readonly string[] }): NativeDetector;
  getSupportedFormats(): Promise<readonly string[]>;
}

const FORMAT = "qr_code";
const ASCII = /^[\x20-\x7e]+$/;

/** Reads a picture; codes whose middle is outside the centred part that is seen are left out. */
export type NativeReader = (video: HTMLVideoElement, visible: Size) => Promise<readonly string[]>;

let opened: Promise<NativeReader | undefined> | undefined;

/** Return the browser's reader, checked once; undefined where it has none, or one that does not read exactly. */
export function openNativeReader(): Promise<NativeReader | undefined> {
  opened ??= open();
  return opened;
}

async function open(): Promise<NativeReader | undefined> {
  const Detector = (globalThis as { BarcodeDetector?: NativeDetectorClass }).BarcodeDetector;
  if (!Detector) return undefined;
  try {
    if (!(await Detector.getSupportedFormats()).includes(FORMAT)) return undefined;
    const detector = new Detector({ formats: [FORMAT] });
    const found = await detector.detect(knownImage());
    if (found.length !== 1 || found[0]?.rawValue !== KNOWN_TEXT) return undefined;
    return async (video, visible) => {
      const picture = { width: video.videoWidth, height: video.videoHeight };
      const codes = await detector.detect(video);
      return codes.filter((code) => isSeen(code, picture, visible) && ASCII.test(code.rawValue)).map(textOf);
    };
  } catch {
    // It is there by name only, as on a phone without the service that does the work.
    return undefined;
  }
}

function isSeen({ boundingBox: { x, y, width, height } }: NativeCode, picture: Size, visible: Size): boolean {
  const across = Math.abs(x + width / 2 - picture.width / 2);
  const down = Math.abs(y + height / 2 - picture.height / 2);
  return across <= visible.width / 2 && down <= visible.height / 2;
}

function textOf({ rawValue }: NativeCode): string {
  return rawValue;
}

function knownImage(): ImageData {
  const { luma, size } = knownPicture();
  const image = new ImageData(size.width, size.height);
  luma.forEach((value, at) => image.data.set([value, value, value, 0xff], at * 4));
  return image;
}
