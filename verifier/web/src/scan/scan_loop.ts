/**
 * Reads the camera's picture again and again, until it is stopped.
 *
 * It runs on the page's own thread and rests between reads: half as long as the read took, so that a slow phone still
 * answers to fingers, and less while codes of ours are read. A way of reading that found a code of ours is tried again first, which is what the moving codes
 * of another station's screen need.
 */

import { type Attempt, attemptAt, partOf, type Size, visiblePart } from "./crop_plan.ts";
import type { Decoder } from "./decoder.ts";
import { LumaGrabber } from "./luma.ts";
import type { NativeReader } from "./native_reader.ts";

/** Reads that take longer than this on average are made with the cheaper round. */
const SLOW_MS = 120;
const REST_SHARE = 0.5;
/** While codes of ours are read: the next of a moving screen must not be missed. */
const SHORT_REST_SHARE = 0.2;
/** A rest that is shorter than this is not worth a timer: the next frame is awaited anyway. */
const REST_MIN_MS = 8;
/** A camera that is covered or busy may give no frame for a while. */
const FRAME_WAIT_MS = 500;

/** Takes the texts of one picture; tells whether one of ours is among them. */
export type OnTexts = (texts: readonly string[]) => boolean;

export class ScanLoop {
  readonly #video: HTMLVideoElement;
  readonly #grabber: LumaGrabber;
  readonly #decoder: Decoder;
  readonly #native: NativeReader | undefined;
  readonly #onTexts: OnTexts;
  #isRunning = true;
  #isNativeBusy = false;
  #averageMs = 0;

  constructor(
    video: HTMLVideoElement,
    decoder: Decoder,
    native: NativeReader | undefined,
    onTexts: OnTexts,
  ) {
    this.#video = video;
    this.#decoder = decoder;
    this.#grabber = new LumaGrabber(decoder);
    this.#native = native;
    this.#onTexts = onTexts;
  }

  /** Read until `stop` is called; the decoder is closed then. Rejects with what the reader or `onTexts` throws. */
  async run(): Promise<void> {
    try {
      await this.#readOn();
    } finally {
      this.#isRunning = false;
      this.#grabber.close();
    }
  }

  stop(): void {
    this.#isRunning = false;
  }

  async #readOn(): Promise<void> {
    let number = 0;
    while (this.#isRunning) {
      await nextFrame(this.#video);
      if (!this.#isRunning || !this.#video.videoWidth) continue;
      this.#readNatively();
      const startMs = performance.now();
      const attempt = attemptAt(number, this.#averageMs > SLOW_MS);
      const texts = await this.#read(attempt);
      const tookMs = performance.now() - startMs;
      this.#averageMs = this.#averageMs === 0 ? tookMs : this.#averageMs * 0.8 + tookMs * 0.2;
      const isOurs = this.#tell(texts);
      if (!isOurs) number += 1;
      const restMs = tookMs * (isOurs ? SHORT_REST_SHARE : REST_SHARE);
      if (restMs > REST_MIN_MS) await sleep(restMs);
    }
  }

  async #read({ part, scale, effort }: Attempt): Promise<string[]> {
    const size = await this.#grabber.video(this.#video, partOf(part, this.#picture, this.#visible), scale);
    return this.#isRunning ? this.#decoder.read(size.width, size.height, effort) : [];
  }

  #readNatively(): void {
    if (!this.#native || this.#isNativeBusy) return;
    this.#isNativeBusy = true;
    this.#native(this.#video, this.#visible)
      .then(
        (texts) => this.#tell(texts),
        () => undefined,
      )
      .finally(() => {
        this.#isNativeBusy = false;
      });
  }

  #tell(texts: readonly string[]): boolean {
    return this.#isRunning && texts.length > 0 && this.#onTexts(texts);
  }

  get #picture(): Size {
    return { width: this.#video.videoWidth, height: this.#video.videoHeight };
  }

  get #visible(): Size {
    return visiblePart(this.#picture, { width: this.#video.clientWidth, height: this.#video.clientHeight });
  }
}

/** Resolve when the video shows another frame. */
function nextFrame(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, FRAME_WAIT_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(done);
    else requestAnimationFrame(done);
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
