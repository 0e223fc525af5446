/** What other programs shared with the page: codes go to the check, everything else is the station's to take in. */

import { pageWorker } from "../keep/page_worker.ts";
import type { PhoneStation } from "../keep/phone_station.ts";
import { readPictures } from "../scan/pictures.ts";
import { linesOf } from "../scan/typed_text.ts";

/** What was shared came to: texts of codes for a check, and whether the station took anything in, or could not. */
export interface SharedItems {
  readonly texts: readonly string[];
  readonly isForStation: boolean;
  /** Pictures without a code. */
  readonly hasUnread: boolean;
}

export async function takeShared(station: PhoneStation): Promise<SharedItems> {
  const texts: string[] = [];
  let isForStation = false;
  let hasUnread = false;
  for (const item of await pageWorker.shared()) {
    if (typeof item === "string") {
      texts.push(...linesOf(item));
      continue;
    }
    const outcome = await station.receiveShared(item);
    if (outcome.kind !== "for_scanner") {
      isForStation = true;
      continue;
    }
    const read = await readPictures([item]);
    texts.push(...read.texts);
    if (read.texts.length === 0) hasUnread = true;
  }
  return { texts, isForStation, hasUnread };
}
