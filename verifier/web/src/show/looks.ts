/**
 * How each result state looks, sounds, and feels in the hand.
 *
 * Shape and colour are those of `verifier/data/en.json` and stand here too, so that no file of a language can give a
 * person a red screen: red is for what is not genuine as printed and what is not on the ledger, and for nothing else.
 * A test holds the two together.
 *
 * Pulses count the same in both modes: one says that the card holds, two ask to look closer, three say not to rely on
 * it. Outside the discreet mode their lengths tell the states apart as well.
 */

import type { Verdict } from "../core/evidence.ts";

export type Shape =
  | "circle-check"
  | "circle-clock"
  | "hourglass"
  | "two-cards"
  | "octagon-bar"
  | "diamond-pause"
  | "square-calendar"
  | "circle-question"
  | "triangle-gap"
  | "broken-square"
  | "triangle-cross"
  | "dotted-square";
export type Colour = "green" | "blue" | "amber" | "grey" | "red";
export type Pulses = 1 | 2 | 3;

interface Look {
  readonly shape: Shape;
  readonly colour: Colour;
  /** Milliseconds of buzz and pause, as `navigator.vibrate` takes them. */
  readonly buzz: readonly number[];
}

const SHORT_MS = 90;
const LONG_MS = 280;
const CLOSE_MS = 110;
const APART_MS = 360;

/** Every state, the one that matters most first: the order of `verifier/report.py`. */
const LOOKS: ReadonlyMap<string, Look> = new Map<string, Look>([
  ["altered", look("triangle-cross", "red", [LONG_MS, CLOSE_MS, LONG_MS, CLOSE_MS, LONG_MS])],
  ["not_listed", look("triangle-gap", "red", [SHORT_MS, CLOSE_MS, SHORT_MS, CLOSE_MS, SHORT_MS])],
  ["withdrawn", look("octagon-bar", "amber", [LONG_MS, APART_MS, LONG_MS])],
  ["suspended", look("diamond-pause", "amber", [LONG_MS, CLOSE_MS, LONG_MS])],
  ["incomplete", look("broken-square", "amber", [LONG_MS, APART_MS, SHORT_MS])],
  ["unknown_issuer", look("circle-question", "grey", [SHORT_MS, CLOSE_MS, LONG_MS])],
  ["replaced", look("two-cards", "amber", [SHORT_MS, CLOSE_MS, SHORT_MS])],
  ["expired", look("square-calendar", "amber", [LONG_MS, CLOSE_MS, SHORT_MS])],
  ["not_yet_listed", look("hourglass", "blue", [SHORT_MS, APART_MS, LONG_MS])],
  ["unreadable", look("dotted-square", "grey", [SHORT_MS, APART_MS, SHORT_MS])],
  ["confirmed_stale", look("circle-clock", "green", [LONG_MS])],
  ["confirmed", look("circle-check", "green", [SHORT_MS])],
]);
/** For a state that this version does not know; it neither confirms nor accuses. */
const UNKNOWN = look("circle-question", "grey", [SHORT_MS, CLOSE_MS, LONG_MS]);

export const STATES: readonly string[] = [...LOOKS.keys()];

export function lookOf(state: string): Look {
  return LOOKS.get(state) ?? UNKNOWN;
}

/** How often the phone buzzes for a state, in the discreet mode and outside it. */
export function pulsesOf(state: string): Pulses {
  return ((lookOf(state).buzz.length + 1) / 2) as Pulses;
}

/** What `navigator.vibrate` takes for a state; discreet pulses are all alike but for their number. */
export function buzzOf(state: string, isDiscreet: boolean): number[] {
  if (!isDiscreet) return [...lookOf(state).buzz];
  return Array.from({ length: pulsesOf(state) * 2 - 1 }, (_, place) => (place % 2 === 0 ? SHORT_MS : APART_MS));
}

export interface NumberedVerdict {
  /** Place in the check, from 1: what people call "card 2". */
  readonly number: number;
  readonly verdict: Verdict;
}

/** Number verdicts by the order in which their codes were read, and put the one that matters most first. */
export function leadingFirst(verdicts: readonly Verdict[]): NumberedVerdict[] {
  const weight = ({ verdict }: NumberedVerdict): number => STATES.indexOf(verdict.state);
  return verdicts
    .map((verdict, place) => ({ number: place + 1, verdict }))
    .sort((one, other) => weight(one) - weight(other));
}

function look(shape: Shape, colour: Colour, buzz: readonly number[]): Look {
  return { shape, colour, buzz };
}
