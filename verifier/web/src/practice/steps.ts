/** The way through the drill: which card, what was chosen last, and whether it is over. */

import type { Choice } from "./choices.ts";

export interface Steps {
  /** Place of the card in the deck. */
  readonly card: number;
  /** How many cards this round has. */
  readonly count: number;
  /** The choice that was not right, on the card that is shown; undefined before one was made. */
  readonly wrong: Choice | undefined;
  /** The card before, whose reason is told; undefined on the first card. */
  readonly passed: number | undefined;
  readonly isOver: boolean;
}

/** Begin with `count` cards from place `first` of the deck. */
export function begin(count: number, first = 0): Steps {
  return { card: first, count: first + count, wrong: undefined, passed: undefined, isOver: count === 0 };
}

/** A wrong choice asks again; the right one goes on to the next card, and after the last one the round is over. */
export function choose(steps: Steps, choice: Choice): Steps {
  if (steps.isOver) return steps;
  if (choice !== "right") return { ...steps, wrong: choice };
  const next = steps.card + 1;
  const isOver = next >= steps.count;
  return { ...steps, card: isOver ? steps.card : next, wrong: undefined, passed: steps.card, isOver };
}
