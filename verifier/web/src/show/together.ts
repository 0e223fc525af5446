/** Whose card to ask for next, where a check is of people who travel together. */

import type { CompanionResult } from "../core/companion.ts";
import type { Verdict } from "../core/evidence.ts";

const CHILD_BELOW = 18;

/** "adult" where a child's card stands alone, "child" where a companion's does, else "more". */
export function askFor(verdicts: readonly Verdict[], companion: CompanionResult | undefined): "adult" | "child" | "more" {
  if (companion) return "more";
  const cards = verdicts.flatMap(({ evidence }) => (evidence ? [evidence] : []));
  if (cards.some((card) => card.companion)) return "child";
  const isOfChild = ([age, answer]: [number, string]) => age <= CHILD_BELOW && answer !== "no";
  return cards.some(({ answers }) => [...answers].some(isOfChild)) ? "adult" : "more";
}
