/**
 * Birth as an interval, and the answers that follow from it (docs/protocol.md section 6).
 *
 * A question about an age has three answers: no (0), yes (1), and cannot exclude (2). The benefit of the doubt goes
 * to the child. An answer carries its own horizon, a quarter, from whose first instant on it reads cannot exclude.
 */

import { addYears, quarterAtOrAfterDay, quarterStartS } from "./calendar_days.ts";
import { CodedError } from "./errors.ts";

export const NO = 0;
export const YES = 1;
export const CANNOT_EXCLUDE = 2;
export const BASES = ["document", "statement", "assessment"] as const;
const YEARS_MAX = 120;

/** First and last possible day of birth, as day numbers. */
export interface BirthInterval {
  readonly earliest: number;
  readonly latest: number;
}

/** Return the interval; throws bad_input where it ends before it begins. */
export function makeInterval(earliest: number, latest: number): BirthInterval {
  if (latest < earliest) {
    throw new CodedError("bad_input", "the latest day of birth is before the earliest", "birth.latest");
  }
  return { earliest, latest };
}

/**
 * Return `[answer, until quarter]` to "under `years`?" as a credential issued on the day `on` carries it.
 *
 * Throws bad_input for `years` outside 1 to 120, malformed for a birthday outside the years 1 to 9999.
 */
export function ageAnswer(
  { earliest, latest }: BirthInterval,
  years: number,
  on: number,
  expQuarter: number,
): [answer: number, until: number] {
  if (years < 1 || years > YEARS_MAX) {
    throw new CodedError("bad_input", "the age asked for is not between 1 and 120", "years");
  }
  const reached = addYears(earliest, years);
  if (on < reached) return [YES, Math.min(expQuarter, quarterAtOrAfterDay(reached))];
  return [on >= addYears(latest, years) ? NO : CANNOT_EXCLUDE, expQuarter];
}

/** Return what an answer says at an epoch time: itself before its horizon, then cannot exclude. */
export function readAnswer(answer: number, untilQuarter: number, nowS: number): number {
  return nowS < quarterStartS(untilQuarter) ? answer : CANNOT_EXCLUDE;
}
