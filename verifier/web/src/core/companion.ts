/**
 * Two cards and a link: may this adult accompany this child, as of the judged time (docs/protocol.md 6, "Companion").
 *
 * The authorisation names both cards by salted hashes, so it says nothing to whoever does not hold them. The result
 * stands beside the verdicts on the cards and changes neither. "Not recorded" is neutral: most real families have no
 * paper. An authorisation ends with its last day or with the validity of its card, whichever comes first.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { concat, encodeUtf8, equal } from "./bytes.ts";
import { dayOfSeconds, formatDay } from "./calendar_days.ts";
import type { CompanionRight, Evidence, Plain } from "./evidence.ts";

const HASH_BYTES = 16;
const IN_FORCE: readonly string[] = ["confirmed", "confirmed_stale"];
/** A card that was withdrawn does not say since when: of its authorisation nobody can say that it lasted. */
const WAS_IN_FORCE: readonly string[] = [...IN_FORCE, "expired"];

/** Result of a companion check; scope and last day where an authorisation was found. */
export interface CompanionResult {
  readonly result: "recorded" | "ended" | "not_recorded";
  readonly scope: string;
  /** Last day of the authorisation, as a day number. */
  readonly until: number | undefined;
  /** Whole days from the last day to the judged one, 1 for yesterday; 0 for what has not ended. */
  readonly endedDaysAgo: number;
}

/**
 * Return whether one of the cards authorises another to accompany a child among them; undefined where the question
 * does not arise: a single card, or several of which none is of a child or of a companion.
 */
export function checkCompanion(cards: readonly Evidence[]): CompanionResult | undefined {
  let found: CompanionResult | undefined;
  for (const holder of cards) {
    const right = holder.companion;
    if (!right || !namesTwoOf(right, holder, cards)) continue;
    // No card speaks beyond its own validity.
    const until = Math.min(right.until, dayOfSeconds(holder.expS) - 1);
    if (IN_FORCE.includes(holder.state) && !right.ended) {
      return { result: "recorded", scope: right.scope, until, endedDaysAgo: 0 };
    }
    const ago = dayOfSeconds(holder.judgedS) - until;
    if (WAS_IN_FORCE.includes(holder.state) && ago > 0 && (!found || ago < found.endedDaysAgo)) {
      found = { result: "ended", scope: right.scope, until, endedDaysAgo: ago };
    }
  }
  if (found) return found;
  const several = new Set(cards.map(({ sub }) => sub)).size > 1;
  if (!several || !cards.some(raisesQuestion)) return undefined;
  return { result: "not_recorded", scope: "", until: undefined, endedDaysAgo: 0 };
}

/** Return the result in types of JSON. */
export function companionJson({ result, scope, until, endedDaysAgo }: CompanionResult): { [name: string]: Plain } {
  return {
    result,
    scope: scope || null,
    until: until === undefined ? null : formatDay(until),
    ended_days_ago: endedDaysAgo || null,
  };
}

/**
 * Tell whether both hashes are of cards at hand and in force; the companion's own may be the adult's. A card that is
 * withdrawn or under review proves nobody's identity, and so no link.
 */
function namesTwoOf(right: CompanionRight, holder: Evidence, cards: readonly Evidence[]): boolean {
  const hashes = cards
    .filter((card) => IN_FORCE.includes(card.state) || card.sub === holder.sub)
    .map((card) => companionHash(right.salt, card));
  const has = (hash: Uint8Array): boolean => hashes.some((one) => equal(one, hash));
  return has(right.child) && has(right.adult) && !equal(companionHash(right.salt, holder), right.child);
}

/** Return the 16 bytes that name a credential in a companion's authorisation; the issuer is part of it. */
function companionHash(salt: Uint8Array, { issuer, sub }: Evidence): Uint8Array {
  const named = concat(salt, encodeUtf8(issuer.id), Uint8Array.of(0), encodeUtf8(sub));
  return sha256(named).subarray(0, HASH_BYTES);
}

function raisesQuestion({ companion, answers }: Evidence): boolean {
  return companion !== undefined || [...answers.values()].some((answer) => answer !== "no");
}
