/** How old a list is, by the device's clock. */

import { DAY_S } from "../core/calendar_days.ts";
import { CLOCK_AHEAD_S } from "../core/verdict.ts";

export interface Freshness {
  /** Whole days; undefined where the clock cannot be right. */
  readonly ageDays: number | undefined;
  readonly freshness: "new" | "old" | "unknown";
}

/** `listS` is the time that the witnesses vouch for, `nowS` the device's clock, both in seconds since 1970. */
export function freshnessOf(listS: number, nowS: number, staleAfterDays: number): Freshness {
  const ageS = nowS - listS;
  if (!(ageS >= 0 && ageS <= CLOCK_AHEAD_S)) return { ageDays: undefined, freshness: "unknown" };
  return { ageDays: Math.floor(ageS / DAY_S), freshness: ageS > staleAfterDays * DAY_S ? "old" : "new" };
}
