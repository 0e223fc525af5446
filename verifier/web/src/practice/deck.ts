/**
 * The deck of practice cards: a ledger, a bundle and cards of their own (`scripts/make_practice.py` makes the file).
 *
 * The cards are judged for real, against the deck's own list and no other, at times of the deck. Its keys are no
 * secret, so `core/pin.ts` refuses its origin: no station can ever believe it.
 *
 *     const deck = openDeck();
 *     judgePractice(deck, deck.cards[0]!).verdicts[0]!.state; // "confirmed"
 */

import { fromBase64, fromHex } from "../core/bytes.ts";
import { checkCompanion, type CompanionResult } from "../core/companion.ts";
import type { Verdict } from "../core/evidence.ts";
import { openTrustedList, type TrustedList } from "../core/trusted_list.ts";
import { judgeTexts } from "../core/unsealing.ts";
import file from "./deck.json" with { type: "json" };

/** One step of the drill. */
export interface PracticeCard {
  /** Of its words, `phone.practice.cards.<name>`. */
  readonly name: string;
  /** Texts of the codes that are shown together. */
  readonly texts: readonly string[];
  /** The clock by which it is judged, seconds since 1970. */
  readonly nowS: number;
}

export interface Deck {
  readonly list: TrustedList;
  readonly cards: readonly PracticeCard[];
}

/** What a practice card comes to. */
export interface PracticeResult {
  readonly verdicts: readonly Verdict[];
  readonly companion: CompanionResult | undefined;
}

/** The cards that everybody must pass; those after them are for whoever wants more. */
export const FORCED_CARDS = 5;

/** Verify the bundle of the deck against its pin; throws bundle_invalid where the file was damaged. */
export function openDeck(): Deck {
  const { origin, charter } = file.pin;
  // Not by `makePin`: that is for what a station believes, and it refuses this origin.
  const pin = { origin, charterHash: fromHex(charter), least: undefined };
  return {
    list: openTrustedList(fromBase64(file.bundle, "bundle"), pin),
    cards: file.cards.map(({ name, texts, now_s: nowS }) => ({ name, texts, nowS })),
  };
}

/** Judge a practice card by the deck's own list, its clock, and the station policy that everybody starts with. */
export function judgePractice(deck: Deck, { texts, nowS }: PracticeCard): PracticeResult {
  const verdicts = judgeTexts(texts, [deck.list], nowS);
  return { verdicts, companion: checkCompanion(verdicts.flatMap(({ evidence }) => (evidence ? [evidence] : []))) };
}
