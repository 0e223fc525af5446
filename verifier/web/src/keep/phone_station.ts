/** The station that a phone is: its pins, its lists and its settings, in IndexedDB and nothing else. */

import type { TrustedList } from "../core/trusted_list.ts";
import { FIRST_SETTINGS, type Settings } from "./settings.ts";

export class PhoneStation {
  #settings: Settings = FIRST_SETTINGS;

  /** Open what the phone keeps; a phone that keeps nothing yet is a station without a list. */
  static async open(): Promise<PhoneStation> {
    return new PhoneStation();
  }

  get settings(): Settings {
    return this.#settings;
  }

  /** The lists at hand, verified. */
  get lists(): readonly TrustedList[] {
    return [];
  }

  async save(settings: Settings): Promise<void> {
    this.#settings = settings;
  }

  /** Fetch pins and lists from the station that serves this page. */
  async sync(): Promise<void> {}

  /** Call `changed` whenever lists or settings changed; returns how to stop. */
  watch(_changed: () => void): () => void {
    return () => {};
  }
}
