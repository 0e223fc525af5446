/** The results of a check: one for each card, and of their being together. */

import type { CompanionResult } from "../core/companion.ts";
import type { Verdict } from "../core/evidence.ts";
import type { Settings } from "../keep/settings.ts";

export interface ResultsProps {
  readonly verdicts: readonly Verdict[];
  /** Undefined where no child's card was checked together with an adult's. */
  readonly companion: CompanionResult | undefined;
  readonly settings: Settings;
  /** Shown as a practice card, with stripes and the word. */
  readonly practice?: boolean | undefined;
  /** Check another card. */
  readonly onAgain: () => void;
  /** Check one more card together with these; undefined where that makes no sense. */
  readonly onTogether?: (() => void) | undefined;
  /** The bearer hands over the slip; undefined where nothing is sealed. */
  readonly onSlip?: (() => void) | undefined;
}

export function ResultsScreen({ verdicts }: ResultsProps) {
  return <p>{verdicts.map(({ state }) => state).join()}</p>;
}
