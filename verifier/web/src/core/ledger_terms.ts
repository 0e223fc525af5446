/**
 * What governors decide about the ledger itself, and when it holds (docs/protocol.md section 3).
 *
 * Governors, threshold and successor hold at once. Witness policy, log keys, service and receipts keys, profiles
 * and rules are scheduled. A station, which does not see where epochs begin, takes over profiles and rules as
 * soon as it reads them, and the rest where it crosses their bridging checkpoint (section 9).
 */

import { type Governor, isThreshold, type LogKeys, type Profiles, RULES } from "./charter.ts";
import type { PublicKey } from "./cose_key.ts";
import { CodedError } from "./errors.ts";
import { isBridged, type LedgerVerb, type ScheduledVerb } from "./ledger_verbs.ts";

/** What holds for the ledger as a whole, and what will. */
export interface Terms {
  readonly origin: string;
  readonly governors: readonly Governor[];
  readonly threshold: number;
  readonly witnessPolicy: string;
  readonly logKeys: LogKeys;
  readonly serviceKey: PublicKey;
  readonly receiptsKey: PublicKey;
  readonly profiles: Profiles;
  readonly rules: number;
  readonly successor: { readonly origin: string; readonly charterHash: Uint8Array } | undefined;
  /** By number of the verb, what holds from the next epoch on. */
  readonly scheduled: ReadonlyMap<number, ScheduledVerb>;
}

/** Return the terms with everything that is scheduled, or only what needs no bridge. */
export function openTerms(terms: Terms, withBridged: boolean): Terms {
  let opened = terms;
  const waiting = new Map<number, ScheduledVerb>();
  for (const [number, verb] of terms.scheduled) {
    if (isBridged(number) && !withBridged) waiting.set(number, verb);
    else opened = hold(opened, verb);
  }
  return { ...opened, scheduled: waiting };
}

/**
 * Return the terms after one verb; `issuerIds` are names that no governor may have.
 *
 * Throws place_taken for a governor with the name of an issuer or of the ledger; out_of_scope for a threshold
 * that is not n/2 < k <= n - 1, or a successor with this ledger's own name; unsupported for rules of another
 * version; bad_transition for a profile that is removed or gets another number of digests, and for a second
 * successor.
 */
export function applyLedgerVerb(terms: Terms, verb: LedgerVerb, issuerIds: ReadonlyMap<string, unknown>): Terms {
  switch (verb.code) {
    case 10:
      if (verb.governors.some(({ name }) => issuerIds.has(name) || name === terms.origin)) {
        throw new CodedError("place_taken", "an issuer or the ledger has this name", "governors");
      }
      return { ...terms, governors: verb.governors, threshold: verb.threshold };
    case 11:
      if (!isThreshold(verb.threshold, terms.governors.length)) {
        throw new CodedError("out_of_scope", "not above half and below all of the governors", "verb.threshold");
      }
      return { ...terms, threshold: verb.threshold };
    case 17:
      if (terms.successor) throw new CodedError("bad_transition", "the ledger has a successor", "verb.successor");
      if (verb.origin === terms.origin) throw new CodedError("out_of_scope", "the ledger itself", "verb.successor");
      return { ...terms, successor: { origin: verb.origin, charterHash: verb.charterHash } };
    case 15:
      checkProfiles(terms, verb.profiles);
      break;
    case 16:
      if (verb.rules !== RULES) throw new CodedError("unsupported", "rules of another version", "verb.rules");
      break;
    default:
      break;
  }
  // Of two scheduled values of one kind the later counts.
  return { ...terms, scheduled: new Map([...terms.scheduled, [verb.code, verb]]) };
}

/** Profiles are compared with those that would hold next: what is once scheduled stays, too. */
function checkProfiles(terms: Terms, profiles: Profiles): void {
  for (const [vct, [digests]] of openTerms(terms, true).profiles) {
    if (profiles.get(vct)?.[0] !== digests) {
      throw new CodedError("bad_transition", "a profile is removed or has other digests", "verb.profiles");
    }
  }
}

function hold(terms: Terms, verb: ScheduledVerb): Terms {
  switch (verb.code) {
    case 12:
      return { ...terms, witnessPolicy: verb.policy };
    case 13:
      return { ...terms, logKeys: verb.logKeys };
    case 14:
      return { ...terms, serviceKey: verb.serviceKey, receiptsKey: verb.receiptsKey };
    case 15:
      return { ...terms, profiles: verb.profiles };
    default:
      return { ...terms, rules: verb.rules };
  }
}
