/** Verbs 10 to 17: what governors decide about the ledger itself (docs/protocol.md section 3). */

import type { Value } from "./cbor.ts";
import {
  type Governor,
  type LogKeys,
  parseGovernors,
  parseLogKeys,
  parseProfiles,
  parseThreshold,
  parseWitnessPolicy,
  type Profiles,
} from "./charter.ts";
import { parseCoseKey, type PublicKey } from "./cose_key.ts";
import { malformed } from "./errors.ts";
import { parseBytes, parseOrigin, parseUint } from "./fields.ts";

export type ScheduledVerb =
  | { readonly code: 12; readonly policy: string }
  | { readonly code: 13; readonly logKeys: LogKeys }
  | { readonly code: 14; readonly serviceKey: PublicKey; readonly receiptsKey: PublicKey }
  | { readonly code: 15; readonly profiles: Profiles }
  | { readonly code: 16; readonly rules: number };

export type LedgerVerb =
  | { readonly code: 10; readonly governors: readonly Governor[]; readonly threshold: number }
  | { readonly code: 11; readonly threshold: number }
  | ScheduledVerb
  | { readonly code: 17; readonly origin: string; readonly charterHash: Uint8Array };

/** Verbs that a verifier crosses by a checkpoint under the keys and the witnesses before them (section 9). */
export function isBridged(code: number): boolean {
  return code >= 10 && code <= 14;
}

/** Return the verb of a number from 10 to 17 with the right number of arguments. */
export function parseLedgerVerb(code: number, [first, second]: readonly Value[]): LedgerVerb {
  switch (code) {
    case 10: {
      const governors = parseGovernors(first, "verb.governors");
      return { code, governors, threshold: parseThreshold(second, governors.length, "verb.threshold") };
    }
    case 11:
      return { code, threshold: parseUint(first, "verb.threshold") };
    case 12:
      return { code, policy: parseWitnessPolicy(first, "verb.witness_policy") };
    case 13:
      return { code, logKeys: parseLogKeys(first, "verb.log_keys") };
    case 14: {
      const serviceKey = parseCoseKey(first);
      const receiptsKey = parseCoseKey(second);
      if (receiptsKey.kind !== "p256") throw malformed("the receipts key is not on P-256", "verb.receipts_key");
      return { code, serviceKey, receiptsKey };
    }
    case 15:
      return { code, profiles: parseProfiles(first, "verb.profiles") };
    case 16:
      return { code, rules: parseUint(first, "verb.rules") };
    default:
      return {
        code: 17,
        origin: parseOrigin(first, "verb.successor"),
        charterHash: parseBytes(second, 32, "verb.successor"),
      };
  }
}
