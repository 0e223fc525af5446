/**
 * Several codes at once, and the slip that opens sealed parts (docs/protocol.md section 11).
 *
 * Front and back of one card are two codes and one verdict; a companion's card and a child's are two. What is sealed is
 * opened only because the bearer hands over the slip, and what comes out is checked against the issuer's digests like
 * every open part.
 */

import { type Card, distinct, mergeCards, readCard } from "./card.ts";
import { CodedError } from "./errors.ts";
import { type Verdict, verdictOfError } from "./evidence.ts";
import { builtInProfile } from "./profiles.ts";
import { parseQrText, type SealKeys } from "./qr_text.ts";
import { openSealed, type SealedDisclosure } from "./sealed_disclosure.ts";
import type { TrustedList } from "./trusted_list.ts";
import { DEFAULT_POLICY, judgeCard, type StationPolicy } from "./verdict.ts";

/**
 * Judge the texts of several codes: front and back of one card give one verdict, in the order of reading; texts that
 * are no card come last.
 *
 * Throws wrong_secret where a slip was given and is of none of the cards, or does not open its card.
 */
export function judgeTexts(
  texts: readonly string[],
  trusted: readonly TrustedList[],
  nowS: number,
  slip: SealKeys | undefined = undefined,
  policy: StationPolicy = DEFAULT_POLICY,
): Verdict[] {
  const cards: Card[] = [];
  const unread: Verdict[] = [];
  for (const text of texts) {
    try {
      cards.push(readCard(parseQrText(text)));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      unread.push(verdictOfError(error));
    }
  }
  let merged = mergeCards(cards);
  if (slip) {
    if (merged.every((card) => card.claims.sub !== slip.sub)) {
      throw new CodedError("wrong_secret", "the slip is of another card", "slip");
    }
    merged = merged.map((card) => (card.claims.sub === slip.sub ? unseal(card, slip) : card));
  }
  return [...merged.map((card) => judgeCard(card, trusted, nowS, policy)), ...unread];
}

/**
 * Return the card with its sealed parts opened by the slip's keys; a slip may have the keys of some groups only.
 *
 * Throws wrong_secret where nothing opens, or a slip with the keys of all groups leaves a part closed, because that
 * part was changed; malformed where a part opens and is not of its form; unsupported for an unknown profile.
 */
export function unseal(card: Card, slip: SealKeys): Card {
  const { header } = card;
  const parts = header.sealed.map((part) => ({ part, content: openWith(slip, part) }));
  const opened = parts.flatMap(({ content }) => (content ? [content] : []));
  const sealed = parts.filter(({ content }) => !content).map(({ part }) => part);
  const groups = builtInProfile(card.claims.vct).sealedGroups;
  const hasAllKeys = groups.every((group) => slip.keys.has(group));
  if (parts.length && (!opened.length || (sealed.length && hasAllKeys))) {
    throw new CodedError("wrong_secret", "the slip does not open this card", "sealed");
  }
  return { ...card, header: { ...header, sealed, opened: distinct([...header.opened, ...opened]) } };
}

function openWith(slip: SealKeys, part: SealedDisclosure): Uint8Array | undefined {
  for (const key of slip.keys.values()) {
    const content = openSealed(part, key);
    if (content) return content;
  }
  return undefined;
}
