/** Numbered codes of a colleague's screen, as the camera reads them: in any order, again and again. */

import { CodedError } from "../core/errors.ts";
import { FrameSet, parseFrame } from "../core/frames.ts";

export interface Progress {
  readonly done: number;
  readonly count: number;
}

export interface Received {
  readonly kind: string;
  readonly message: Uint8Array;
}

/** Collects the frames of one message. A frame of another message begins anew: the screen shows something else now. */
export class FramesRead {
  #set = new FrameSet();

  /** How many of the message's frames were read; undefined before the first one. */
  get progress(): Progress | undefined {
    const { count } = this.#set;
    return count ? { done: count - this.#set.missing.length, count } : undefined;
  }

  /**
   * Take the text of a frame and return the message once it is whole, after which the next one may begin.
   *
   * Throws as `parseFrame` and `FrameSet.message`; a text that is no frame changes nothing.
   */
  add(text: string): Received | undefined {
    const frame = parseFrame(text);
    let isWhole: boolean;
    try {
      isWhole = this.#set.add(frame);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      this.#set = new FrameSet();
      isWhole = this.#set.add(frame);
    }
    if (!isWhole) return undefined;
    const set = this.#set;
    this.#set = new FrameSet();
    return { kind: set.kind ?? "", message: set.message() };
  }
}
