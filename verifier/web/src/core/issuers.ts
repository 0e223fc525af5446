/** Issuers and their keys, and what each verb of a govern action does to one (docs/protocol.md section 3). */

import { type Admission, type IssuerVerb, MAX_KEYS, type Scope } from "./actions.ts";
import { toHex } from "./bytes.ts";
import type { PublicKey } from "./cose_key.ts";
import { CodedError } from "./errors.ts";

export type KeyState = "active" | "retired" | "distrusted";

/** One key of an issuer; `at` is the index at which it ceased to be active. */
export interface KeyRecord {
  readonly key: PublicKey;
  readonly added: number;
  readonly state: KeyState;
  readonly at: number | undefined;
  /** From this index on its credentials need affirmation. */
  readonly distrustedFrom: number | undefined;
}

/** One admitted issuer; its status lists are `sc:<number>/<n>`. */
export interface Issuer {
  readonly issuerId: string;
  readonly number: number;
  readonly authority: string;
  readonly title: string;
  readonly scope: Scope;
  readonly suspended: boolean;
  /** Actions in effect so far on it. */
  readonly counter: number;
  /** By kid in hex, in the order of their admission. */
  readonly keys: ReadonlyMap<string, KeyRecord>;
}

/** Return whether an entry at `index` could be signed with this key. */
export function wasActive(record: KeyRecord, index: number): boolean {
  return record.added < index && (record.at === undefined || index < record.at);
}

/** Return the issuer that an admission at `index` creates. */
export function admit(issuerId: string, number: number, admission: Admission, index: number): Issuer {
  const { authority, title, scope } = admission;
  const keys = new Map(admission.keys.map((key) => [toHex(key.kid), activeKey(key, index)]));
  return { issuerId, number, authority, title, scope, suspended: false, counter: 0, keys };
}

/**
 * Return the issuer after one verb that took effect at `index`.
 *
 * Throws bad_transition if the issuer or the key is not in the state that the verb starts from; place_taken for
 * a known kid; out_of_scope for a kid that is not the issuer's, distrust from above `index`, or too many keys.
 */
export function applyVerb(issuer: Issuer, verb: IssuerVerb, index: number): Issuer {
  switch (verb.code) {
    case 2:
      return {
        ...issuer,
        authority: verb.authority ?? issuer.authority,
        title: verb.title ?? issuer.title,
        scope: verb.scope ?? issuer.scope,
      };
    case 3:
    case 4: {
      const suspended = verb.code === 3;
      if (issuer.suspended === suspended) {
        throw new CodedError("bad_transition", "the issuer is in that state already", "verb");
      }
      return { ...issuer, suspended };
    }
    case 5: {
      const kid = toHex(verb.key.kid);
      if (issuer.keys.has(kid)) throw new CodedError("place_taken", "the issuer has a key with this kid", "verb.key");
      if (issuer.keys.size >= MAX_KEYS) {
        throw new CodedError("out_of_scope", `the issuer has ${MAX_KEYS} keys`, "verb.key");
      }
      return { ...issuer, keys: new Map([...issuer.keys, [kid, activeKey(verb.key, index)]]) };
    }
    case 6:
      return endKey(issuer, toHex(verb.kid), "retired", index, undefined);
    case 7:
      if (verb.fromIndex > index) {
        throw new CodedError("out_of_scope", "distrust would begin in the future", "verb.from_index");
      }
      return endKey(issuer, toHex(verb.kid), "distrusted", index, verb.fromIndex);
    case 8:
    case 9:
      return issuer; // leaves the issuer as it is; only the fold of the whole ledger knows what is held
    default:
      throw new CodedError("bad_transition", "the subject is admitted already", "verb");
  }
}

function activeKey(key: PublicKey, added: number): KeyRecord {
  return { key, added, state: "active", at: undefined, distrustedFrom: undefined };
}

function endKey(
  issuer: Issuer,
  kid: string,
  state: KeyState,
  index: number,
  distrustedFrom: number | undefined,
): Issuer {
  const record = issuer.keys.get(kid);
  if (!record) throw new CodedError("out_of_scope", "the issuer has no key with this kid", "verb.kid");
  if (record.state === "distrusted" || record.state === state) {
    throw new CodedError("bad_transition", "the key is in that state already", "verb.kid");
  }
  const ended = { ...record, state, at: record.at ?? index, distrustedFrom };
  return { ...issuer, keys: new Map([...issuer.keys, [kid, ended]]) };
}
