/**
 * Dates as plain numbers: days, months and quarters of the proleptic Gregorian calendar, in UTC.
 *
 * Nothing here reads a clock or asks `Date`. A *day* is the number of whole days since 1970-01-01, a *quarter* is
 * `year * 4 + (month - 1) / 3`, so both compare and add like integers. Years run from 1 to 9999; beyond them
 * every function throws malformed with the field "date".
 */

import { malformed } from "./errors.ts";

export const DAY_S = 86_400;
const FIRST_DAY = -719_162;
const LAST_DAY = 2_932_896;

export interface CivilDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Return the date of a day number. */
export function dateOfDay(dayNumber: number): CivilDate {
  if (dayNumber < FIRST_DAY || dayNumber > LAST_DAY) {
    throw malformed("a date lies outside the years 1 to 9999", "date");
  }
  // Eras of 400 years, 146,097 days, that begin on 1 March: the leap day then ends a year.
  const shifted = dayNumber + 719_468;
  const era = Math.floor(shifted / 146_097);
  const inEra = shifted - era * 146_097;
  const years = Math.floor(
    (inEra - Math.floor(inEra / 1460) + Math.floor(inEra / 36_524) - Math.floor(inEra / 146_096)) / 365,
  );
  const inYear = inEra - (365 * years + Math.floor(years / 4) - Math.floor(years / 100));
  const marchMonth = Math.floor((5 * inYear + 2) / 153);
  const day = inYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return { year: years + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

/** Return the day number of a date that exists. */
export function dayOfDate({ year, month, day }: CivilDate): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const inEra = marchYear - era * 400;
  const inYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return era * 146_097 + inEra * 365 + Math.floor(inEra / 4) - Math.floor(inEra / 100) + inYear - 719_468;
}

/** Return the number of the UTC day that contains the epoch time. */
export function dayOfSeconds(seconds: number): number {
  return Math.floor(seconds / DAY_S);
}

/** Return YYYY-MM-DD of a day number. */
export function formatDay(dayNumber: number): string {
  const { year, month, day } = dateOfDay(dayNumber);
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
}

/** Return the day number of a date YYYY-MM-DD, undefined where there is no such date. */
export function parseDay(text: string): number | undefined {
  const match = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/.exec(text);
  if (!match) return undefined;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  if (year < 1 || month < 1 || month > 12 || day < 1) return undefined;
  const number = dayOfDate({ year, month, day });
  return number <= LAST_DAY && formatDay(number) === text ? number : undefined;
}

/** Return the UTC month of an epoch time as the number YYYYMM. */
export function monthOfSeconds(seconds: number): number {
  const { year, month } = dateOfDay(dayOfSeconds(seconds));
  return year * 100 + month;
}

/** Return the number of the quarter that contains a day. */
export function quarterOfDay(dayNumber: number): number {
  const { year, month } = dateOfDay(dayNumber);
  return year * 4 + Math.floor((month - 1) / 3);
}

/** Return the epoch time at which a quarter begins (00:00 UTC). */
export function quarterStartS(quarter: number): number {
  const year = Math.floor(quarter / 4);
  if (year < 1 || year > 9999) throw malformed("a quarter lies outside the years 1 to 9999", "date");
  return dayOfDate({ year, month: (quarter - 4 * year) * 3 + 1, day: 1 }) * DAY_S;
}

/** Return the number of the first quarter that begins on this day or later. */
export function quarterAtOrAfterDay(dayNumber: number): number {
  const { month, day } = dateOfDay(dayNumber);
  return quarterOfDay(dayNumber) + (day === 1 && month % 3 === 1 ? 0 : 1);
}

/**
 * Return the day on which someone born on a day reaches an age.
 *
 * 29 February moves to 1 March where the target year is a common year: the later of the two days, so the benefit of
 * the doubt goes to the child.
 */
export function addYears(dayNumber: number, years: number): number {
  const { year, month, day } = dateOfDay(dayNumber);
  const target = year + years;
  if (target < 1 || target > 9999) throw malformed("a date lies outside the years 1 to 9999", "date");
  const isMoved = month === 2 && day === 29 && !isLeap(target);
  return dayOfDate(isMoved ? { year: target, month: 3, day: 1 } : { year: target, month, day });
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function pad(value: number, size: number): string {
  return String(value).padStart(size, "0");
}
