/**
 * Governance as a station folds it: the charter and the approvals give governors, issuers, keys and witness
 * policy (docs/protocol.md sections 3 and 9, step 3).
 *
 * Deadlines and the clock hours behind "n-1 governors" are not judged again: the head of the chain of govern
 * actions in the last seal stands for them.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { type Action, isLedgerVerb } from "./actions.ts";
import { concat, encodeUtf8, equal, toHex, u64 } from "./bytes.ts";
import type { Charter, Governor } from "./charter.ts";
import type { PublicKey } from "./cose_key.ts";
import { bundleInvalid, CodedError } from "./errors.ts";
import { parseParty } from "./fields.ts";
import { admit, applyVerb, type Issuer } from "./issuers.ts";
import { applyLedgerVerb, openTerms, type Terms } from "./ledger_terms.ts";
import type { Statement } from "./statement.ts";

/** The most issuers that the approvals of a bundle may admit. */
const MAX_ISSUERS = 10_000;
/** A governor's approvals of actions that are not in effect. */
const MAX_OPEN_APPROVALS = 256;
const CHAIN = Uint8Array.of(2);

/** An action that took effect, with the last of its approvals. */
export interface Effect {
  readonly action: Action;
  readonly index: number;
}

interface Proposal {
  readonly action: Action;
  /** Names of the governors who approved it. */
  readonly approvals: ReadonlySet<string>;
}

export class Governance {
  terms: Terms;
  governHead: Uint8Array;
  /** Actions in effect on the ledger itself. */
  counter = 0;
  /** By issuer id, in the order of their admission. */
  readonly issuers = new Map<string, Issuer>();
  readonly effects: Effect[] = [];
  /** By action digest in hex, what waits for approvals. */
  readonly #proposals = new Map<string, Proposal>();

  constructor(charter: Charter) {
    const { origin, governors, threshold, witnessPolicy, logKeys, serviceKey, receiptsKey, profiles } = charter;
    this.terms = {
      origin,
      governors,
      threshold,
      witnessPolicy,
      logKeys,
      serviceKey,
      receiptsKey,
      profiles,
      rules: 1,
      successor: undefined,
      scheduled: new Map(),
    };
    this.governHead = sha256(concat(CHAIN, encodeUtf8(`govern/v1${origin}`)));
  }

  /** Let everything that is scheduled hold: its bridging checkpoint is crossed. */
  openEpoch(): void {
    this.terms = openTerms(this.terms, true);
  }

  /** Let profiles and rules hold at once: a station does not see where epochs begin. */
  holdUnbridged(): void {
    this.terms = openTerms(this.terms, false);
  }

  /** Return the key of a governor; throws unknown_issuer if none has this name and kid now. */
  governorKey(name: string, kid: Uint8Array): PublicKey {
    const governor = this.terms.governors.find((one) => one.name === name && equal(one.key.kid, kid));
    if (!governor) throw new CodedError("unknown_issuer", "no governor has this name and key", "iss");
    return governor.key;
  }

  /**
   * Count one approval whose signature has been checked; `completes` says that it is the last one of its action,
   * which takes effect with it.
   *
   * Throws bundle_invalid where the last approval does not suffice; stale_action for a counter that is not
   * current or a second approval of one governor; rate_limited for too many open approvals; the code of the verb
   * that fails.
   */
  approve(index: number, statement: Statement, action: Action, completes: boolean): Effect | undefined {
    if (this.#counterOf(action.subject) !== action.counter) {
      throw new CodedError("stale_action", "the counter is not current", "action.counter");
    }
    const digest = actionDigest(statement);
    const name = toHex(digest);
    const approvals = new Set(this.#proposals.get(name)?.approvals);
    if (approvals.has(statement.iss)) {
      throw new CodedError("stale_action", "this governor approved it before", "iss");
    }
    approvals.add(statement.iss);
    const take = this.#tryVerbs(action, index);
    if (!completes) {
      this.#checkRoom(statement.iss);
      this.#proposals.set(name, { action, approvals });
      return undefined;
    }
    if (approvals.size < this.terms.threshold) {
      this.#checkRoom(statement.iss);
      throw bundleInvalid(3, "an action has too few approvals", "approvals");
    }
    return this.#takeEffect({ action, index }, digest, take);
  }

  #counterOf(subject: string): number {
    return subject === this.terms.origin ? this.counter : (this.issuers.get(subject)?.counter ?? 0);
  }

  /** Try all verbs; return what lets them take effect. */
  #tryVerbs(action: Action, index: number): () => void {
    const onLedger = action.subject === this.terms.origin;
    if (action.verbs.some((verb) => isLedgerVerb(verb) !== onLedger)) {
      const what = onLedger ? "the ledger" : "an issuer";
      throw new CodedError("out_of_scope", `this verb does not act on ${what}`, "action.subject");
    }
    if (!onLedger) {
      const issuer = this.#tryOnIssuer(action, index);
      return () => this.issuers.set(action.subject, { ...issuer, counter: issuer.counter + 1 });
    }
    let terms = this.terms;
    for (const verb of action.verbs) {
      if (isLedgerVerb(verb)) terms = applyLedgerVerb(terms, verb, this.issuers);
    }
    return () => {
      this.counter += 1;
      this.terms = terms;
    };
  }

  #tryOnIssuer(action: Action, index: number): Issuer {
    let issuer = this.issuers.get(action.subject);
    for (const verb of action.verbs) {
      if (isLedgerVerb(verb)) continue; // refused before
      if (verb.code === 1 && !issuer) {
        this.#checkNewName(action.subject);
        issuer = admit(action.subject, this.issuers.size + 1, verb.admission, index);
      } else if (!issuer) {
        throw new CodedError("unknown_issuer", "the subject is not admitted", "action.subject");
      } else {
        issuer = applyVerb(issuer, verb, index);
      }
      if (verb.code < 8 && !issuer.scope.vcts.every((vct) => this.terms.profiles.has(vct))) {
        throw new CodedError("out_of_scope", "a profile that the ledger does not have", "scope.vcts");
      }
    }
    if (!issuer) throw new CodedError("stale_action", "an action without verbs", "action.verbs");
    return issuer;
  }

  #checkNewName(issuerId: string): void {
    if (this.terms.governors.some(({ name }) => name === issuerId)) {
      throw new CodedError("place_taken", "a governor has this name", "action.subject");
    }
    if (this.issuers.size >= MAX_ISSUERS) {
      throw new CodedError("out_of_scope", "the ledger is full of issuers", "action.subject");
    }
    parseParty(issuerId, "action.subject");
  }

  #checkRoom(governor: string): void {
    let open = 0;
    for (const { approvals } of this.#proposals.values()) if (approvals.has(governor)) open += 1;
    if (open >= MAX_OPEN_APPROVALS) {
      throw new CodedError("rate_limited", "too many open approvals of this governor", "iss");
    }
  }

  #takeEffect(effect: Effect, digest: Uint8Array, take: () => void): Effect {
    const before = this.terms.governors;
    take();
    this.governHead = sha256(concat(CHAIN, this.governHead, digest, u64(effect.index)));
    this.effects.push(effect);
    for (const [name, { action }] of [...this.#proposals]) {
      if (action.subject === effect.action.subject) this.#proposals.delete(name);
    }
    if (effect.action.verbs.some(({ code }) => code === 10)) this.#strikeApprovals(before);
    return effect;
  }

  /** Strike approvals of who is no governor any more; a proposal that loses its last approval is gone. */
  #strikeApprovals(before: readonly Governor[]): void {
    const stays = ({ name, key }: Governor): boolean =>
      this.terms.governors.some((one) => one.name === name && one.key.equals(key));
    const kept = new Set(before.filter(stays).map(({ name }) => name));
    for (const [digest, proposal] of [...this.#proposals]) {
      const approvals = new Set([...proposal.approvals].filter((name) => kept.has(name)));
      if (approvals.size) this.#proposals.set(digest, { ...proposal, approvals });
      else this.#proposals.delete(digest);
    }
  }
}

/** The digest under which approvals of one action belong together: that of the payload, which has one form. */
export function actionDigest(statement: Statement): Uint8Array {
  return sha256(statement.payload);
}

/**
 * Return, for each approval of effective actions by rising index, whether it completes its action: a bundle
 * carries just the approvals that took part, so the last of one action made it effective.
 */
export function approvalsComplete(statements: readonly Statement[]): boolean[] {
  const digests = statements.map((statement) => toHex(actionDigest(statement)));
  const last = new Map(digests.map((digest, place) => [digest, place]));
  return digests.map((digest, place) => last.get(digest) === place);
}
