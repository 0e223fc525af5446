/**
 * The verdict: is this card genuine, and is it in force as of the list at hand.
 *
 * docs/protocol.md section 10: eleven steps in a fixed order. `verify` throws only where the card cannot be judged
 * genuine and returns evidence otherwise; `judge` makes one result of both. Nothing here reads a clock, asks a
 * network or keeps anything.
 */

import { equal, toHex } from "./bytes.ts";
import { DAY_S } from "./calendar_days.ts";
import { type Card, readCard } from "./card.ts";
import type { CborMap } from "./cbor.ts";
import { foldCell } from "./cells.ts";
import type { Code } from "./codes.ts";
import { CodedError } from "./errors.ts";
import {
  type CompanionRight,
  type Evidence,
  leadingState,
  orderCodes,
  type Verdict,
  verdictOfError,
  verdictOfEvidence,
} from "./evidence.ts";
import { type KeyRecord, wasActive } from "./issuers.ts";
import { checkKeyBinding } from "./key_binding.ts";
import { leafHash } from "./merkle.ts";
import { AGES, COMPANION, openDisclosures, readAnswers, readCompanion, readOpened } from "./open_parts.ts";
import { builtInProfile } from "./profiles.ts";
import { parseQrText } from "./qr_text.ts";
import { AFFIRMED, HELD, REPLACED, SUSPENDED, VALID, WITHDRAWN } from "./status_change.ts";
import { cellAt, chooseList, scopeAt, type Status, type TrustedIssuer, type TrustedList } from "./trusted_list.ts";

/** How far back before the list's time a card may be dated and still be on its way to the ledger. */
const RECENT_S = 35 * DAY_S;
export const CLOCK_AHEAD_S = 400 * DAY_S;
const STATUS_CODES: ReadonlyMap<number, Code | undefined> = new Map<number, Code | undefined>([
  [VALID, undefined],
  [WITHDRAWN, "withdrawn"],
  [SUSPENDED, "suspended"],
  [REPLACED, "replaced"],
  [AFFIRMED, undefined],
  [HELD, "quarantined"],
]);

/** What a station decides for itself. */
export interface StationPolicy {
  /** From how many days on its list counts as stale. */
  readonly staleAfterDays: number;
  /** The station's name, which a key binding must be for; "" accepts no key binding. */
  readonly audience: string;
  /** What the station asked the holder's device to answer, 8 to 64 bytes. */
  readonly nonce: Uint8Array | undefined;
}

export const DEFAULT_POLICY: StationPolicy = { staleAfterDays: 7, audience: "", nonce: undefined };

/**
 * Judge the text of one code; `trusted` are the lists of the ledgers that the station believes, `nowS` the device's
 * clock in seconds since 1970.
 *
 * Throws a code of docs/protocol.md section 10 that is "raised".
 */
export function verify(
  text: string,
  trusted: readonly TrustedList[],
  nowS: number,
  policy: StationPolicy = DEFAULT_POLICY,
): Evidence {
  const data = parseQrText(text); // step 1
  const card = readCard(data); // step 2
  return verifyCard(card, trusted, nowS, policy);
}

/** Take steps 3 to 11 with a card that was read; arguments and errors as `verify`. */
export function verifyCard(
  card: Card,
  lists: readonly TrustedList[],
  nowS: number,
  policy: StationPolicy = DEFAULT_POLICY,
): Evidence {
  const codes: Code[] = [];
  const { trusted, issuer } = findIssuer(card, lists); // step 3
  const record = findKey(card, issuer); // step 4
  record.key.verify(card.alg, card.message, card.signature); // step 5
  const isListed = checkPosition(card, record, trusted, nowS, codes); // step 6
  const isDistrusted = checkScope(card, issuer, record, isListed); // step 7
  const claims = openClaims(card, codes); // step 8
  const status = lookUpStatus(card, trusted, codes, isListed); // step 9
  if (isDistrusted && status?.value !== AFFIRMED) codes.push("key_distrusted");
  const { judgedS, listAgeDays } = judgeTime(card, trusted, nowS, policy, codes); // step 10
  const holderBinding = card.token ? checkBinding(card.token, nowS, policy, codes) : "none";
  const { answers, companion } = answer(card, claims, judgedS, codes); // step 11
  const ordered = orderCodes(codes);
  const { header } = card;
  return {
    state: leadingState(ordered),
    codes: ordered,
    issuer: issuer.name,
    vct: card.claims.vct,
    iatS: card.claims.iat,
    expS: card.claims.exp,
    ledgerIndex: header.position?.index,
    listTimeS: trusted.nowMinS,
    listAgeDays,
    judgedS,
    status,
    answers,
    companion,
    opened: readOpened(claims),
    sealedCount: header.sealed.length,
    sub: card.claims.sub,
    holderBinding,
  };
}

/** Judge the text of one code and never throw for what is wrong with it; arguments as `verify`. */
export function judge(
  text: string,
  trusted: readonly TrustedList[],
  nowS: number,
  policy: StationPolicy = DEFAULT_POLICY,
): Verdict {
  return settle(() => verify(text, trusted, nowS, policy));
}

/** As `judge`, for a card that was read. */
export function judgeCard(card: Card, trusted: readonly TrustedList[], nowS: number, policy: StationPolicy): Verdict {
  return settle(() => verifyCard(card, trusted, nowS, policy));
}

function settle(make: () => Evidence): Verdict {
  try {
    return verdictOfEvidence(make());
  } catch (error) {
    if (error instanceof CodedError) return verdictOfError(error);
    throw error;
  }
}

/** Step 3: a list is loaded (no_bundle) and knows the issuer (unknown_issuer); of several the one that judges. */
function findIssuer(card: Card, lists: readonly TrustedList[]): { trusted: TrustedList; issuer: TrustedIssuer } {
  const [first] = lists;
  if (!first) throw new CodedError("no_bundle", "no list is loaded", "bundle");
  const { position } = card.header;
  const place = position && { index: position.index, leaf: leafHash(card.entry), path: position.path };
  const trusted = chooseList(lists, card.claims.iss, card.kid, place) ?? first;
  const issuer = trusted.issuers.get(card.claims.iss);
  if (!issuer) throw new CodedError("unknown_issuer", "no admitted issuer has this name", "iss");
  return { trusted, issuer };
}

/** Step 4: the issuer has this key, active or not (unknown_issuer). */
function findKey(card: Card, issuer: TrustedIssuer): KeyRecord {
  const record = issuer.keys.get(toHex(card.kid));
  if (!record) throw new CodedError("unknown_issuer", "the issuer has no such key", "kid");
  return record;
}

/**
 * Step 6: return whether the ledger at hand has the card where it says; not_listed where it has not. Where the list
 * cannot know, because the card is newer or does not say, the code is not_yet_listed or incomplete.
 */
function checkPosition(card: Card, record: KeyRecord, trusted: TrustedList, nowS: number, codes: Code[]): boolean {
  const { position } = card.header;
  if (position && position.index < trusted.treeSize) {
    const cell = foldCell(leafHash(card.entry), position.index, position.path);
    if (!equal(cell, cellAt(trusted, position.index))) {
      throw new CodedError("not_listed", "the ledger has another entry there", "position");
    }
    return true;
  }
  const ageS = nowS - trusted.nowMinS;
  if (ageS >= 0 && ageS <= CLOCK_AHEAD_S && card.claims.iat > nowS + RECENT_S) {
    // No ledger takes a day of issue that far ahead: this card will never be on one. With a clock that is wrong, or a
    // list so old that it looks wrong, nobody can say that.
    throw new CodedError("not_listed", "the day of issue lies far ahead", "iat");
  }
  if (card.claims.iat >= trusted.nowMinS - RECENT_S) {
    if (record.state === "active") {
      codes.push("not_yet_listed");
      return false;
    }
  } else if (!position) {
    codes.push("incomplete");
    return false;
  }
  throw new CodedError("not_listed", "the ledger at hand should have it, and has not", "position");
}

/** Step 7: the key and the scope allowed this there (out_of_scope); return whether the key is distrusted for it. */
function checkScope(card: Card, issuer: TrustedIssuer, record: KeyRecord, isListed: boolean): boolean {
  const { claims, header } = card;
  const index = isListed ? header.position?.index : undefined;
  const scope = scopeAt(issuer, index);
  if (!scope || !claims.uri.startsWith(issuer.listPrefix)) {
    throw new CodedError("out_of_scope", "the issuer was not allowed to sign this", "uri");
  }
  // A card that is newer than the list may be of what its issuer is allowed to sign since.
  if (index === undefined) return record.state === "distrusted";
  if (!scope.vcts.has(claims.vct)) {
    throw new CodedError("out_of_scope", "the issuer was not allowed to sign this", "vct");
  }
  if (scope.suspended || !wasActive(record, index)) {
    throw new CodedError("out_of_scope", "the issuer or its key was not active there", "kid");
  }
  return record.distrustedFrom !== undefined && index >= record.distrustedFrom;
}

/** Step 8: every disclosure matches (bad_disclosure), and what must be open is (incomplete). */
function openClaims(card: Card, codes: Code[]): CborMap {
  const claims = openDisclosures(card);
  if (!builtInProfile(card.claims.vct).mustOpen.every((name) => claims.has(name))) codes.push("incomplete");
  return claims;
}

/** Step 9: status of the place; undefined where the list at hand does not have the place yet. */
function lookUpStatus(card: Card, trusted: TrustedList, codes: Code[], isListed: boolean): Status | undefined {
  const places = trusted.lists.get(card.claims.uri);
  if (!places) {
    // A listed card has its place on a list that the seal commits to.
    if (isListed) codes.push("status_unknown");
    return undefined;
  }
  const status = places.status(card.claims.idx);
  const code = STATUS_CODES.has(status.value) ? STATUS_CODES.get(status.value) : "status_unknown";
  if (code !== undefined) codes.push(code);
  return status;
}

/**
 * Step 10: the time at which dates are judged, and the age of the list in whole days. A clock before the witnesses'
 * time or more than 400 days after it is wrong: dates are judged at the witnesses' time, and nobody knows how old the
 * list is.
 */
function judgeTime(
  card: Card,
  trusted: TrustedList,
  nowS: number,
  policy: StationPolicy,
  codes: Code[],
): { judgedS: number; listAgeDays: number | undefined } {
  const ageS = nowS - trusted.nowMinS;
  const isRight = ageS >= 0 && ageS <= CLOCK_AHEAD_S;
  const judgedS = isRight ? nowS : trusted.nowMinS;
  if (!isRight) codes.push("clock_wrong", "stale");
  else if (ageS > policy.staleAfterDays * DAY_S) codes.push("stale");
  if (judgedS >= card.claims.exp) codes.push("expired");
  if (judgedS < card.claims.iat) codes.push("not_yet_valid");
  return { judgedS, listAgeDays: isRight ? Math.floor(ageS / DAY_S) : undefined };
}

/**
 * Step 10, where the card came in a token: "key" if the holder's key signed it for this station, now; else
 * bad_key_binding. Called after `judgeTime`; throws malformed where the token's claims are not of their form.
 */
function checkBinding(token: Uint8Array, nowS: number, policy: StationPolicy, codes: Code[]): "key" | "none" {
  const clockS = codes.includes("clock_wrong") ? undefined : nowS;
  try {
    if (!policy.audience) throw new CodedError("bad_key_binding", "this station has no name", "aud");
    checkKeyBinding(token, policy.audience, policy.nonce, clockS);
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== "bad_key_binding") throw error;
    codes.push("bad_key_binding");
    return "none";
  }
  return "key";
}

/** Step 11: answers and the companion's authorisation, as of the judged time. */
function answer(
  card: Card,
  claims: CborMap,
  judgedS: number,
  codes: Code[],
): { answers: Map<number, string>; companion: CompanionRight | undefined } {
  const ages = claims.get(AGES);
  const answers = ages === undefined ? new Map<number, string>() : readAnswers(ages, judgedS);
  const companion = claims.has(COMPANION) ? readCompanion(card, judgedS) : undefined;
  if (companion?.ended) codes.push("companion_ended");
  return { answers, companion };
}
