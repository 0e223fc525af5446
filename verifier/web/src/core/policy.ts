/**
 * Trust policies (C2SP tlog-policy): which witnesses must have cosigned a checkpoint.
 *
 * The parser accepts everything the specification allows (spaces, tabs, comments, any order). Names of
 * witnesses and groups are local to the policy; on a checkpoint a witness is found by the name and key ID of
 * its verifier key.
 */

import { codePoints, equal } from "./bytes.ts";
import { COSIGNATURE_TYPES } from "./cosignature.ts";
import { CodedError, malformed, tooLarge } from "./errors.ts";
import { parseVkey, TYPE_ED25519, TYPE_MLDSA44_COSIGNATURE, type VerifierKey } from "./note.ts";

const MAX_POLICY_SIZE = 512 * 1024;
/** Largest number of logs, of witnesses, and of groups. */
const MAX_ITEMS = 64;
const QUORUM_NONE = "none";
const LOG_TYPES: readonly number[] = [TYPE_ED25519, TYPE_MLDSA44_COSIGNATURE];
const NOT_ALLOWED = /[\u0000-\u0008\u000b-\u001f\u007f]/;
const THRESHOLD = /^[1-9][0-9]{0,2}$/;

interface Group {
  readonly name: string;
  readonly threshold: number;
  readonly members: readonly string[];
}

/** A whole policy. `quorum` is the name of a witness or group, or "none". */
export class Policy {
  readonly logs: readonly VerifierKey[];
  /** Local name -> key, as `checkCosignatures` takes it. */
  readonly witnesses: ReadonlyMap<string, VerifierKey>;
  readonly groups: readonly Group[];
  readonly quorum: string;

  constructor(
    logs: readonly VerifierKey[],
    witnesses: ReadonlyMap<string, VerifierKey>,
    groups: readonly Group[],
    quorum: string,
  ) {
    this.logs = logs;
    this.witnesses = witnesses;
    this.groups = groups;
    this.quorum = quorum;
  }

  /** Whether cosignatures of the witnesses with these local names meet the quorum; "none" is always met. */
  satisfied(names: Iterable<string>): boolean {
    if (this.quorum === QUORUM_NONE) return true;
    const met = new Set([...names].filter((name) => this.witnesses.has(name)));
    // Members stand before their group, so one pass settles everything.
    for (const group of this.groups) {
      if (group.members.filter((member) => met.has(member)).length >= group.threshold) met.add(group.name);
    }
    return met.has(this.quorum);
  }

  /**
   * Return the largest t such that the witnesses with a time >= t meet the quorum (docs/protocol.md section 9);
   * undefined where the quorum is not met or is "none", as then nobody vouches for time.
   */
  quorumTime(times: ReadonlyMap<string, number>): number | undefined {
    if (this.quorum === QUORUM_NONE) return undefined;
    const falling = [...new Set(times.values())].sort((one, other) => other - one);
    return falling.find((time) => {
      const names = [...times].filter(([, other]) => other >= time).map(([name]) => name);
      return this.satisfied(names);
    });
  }
}

/**
 * Read a policy file.
 *
 * Throws too_large above 512 KiB or 64 logs, witnesses or groups; unsupported for a key of a type that does not
 * fit its role; malformed for every other breach of the specification.
 */
export function parsePolicy(text: string): Policy {
  if (codePoints(text) > MAX_POLICY_SIZE) throw tooLarge("the policy is too large", "policy");
  if (NOT_ALLOWED.test(text)) throw malformed("a policy holds no control characters", "policy");
  const lines = text.split("\n");
  if (lines.pop() !== "") throw malformed("a policy's last line ends in a newline", "policy");
  const reader = new Reader();
  for (const line of lines) {
    const items = line.replace(/^[ \t]+|[ \t]+$/g, "").split(/[ \t]+/);
    if (items[0] && !items[0].startsWith("#")) reader.read(items);
  }
  return reader.policy();
}

/** Collects the lines of one policy and refuses what contradicts earlier lines. */
class Reader {
  readonly #logs: VerifierKey[] = [];
  readonly #witnesses = new Map<string, VerifierKey>();
  readonly #groups: Group[] = [];
  readonly #defined = new Set<string>();
  readonly #members = new Set<string>();
  #quorum: string | undefined;

  read(items: readonly string[]): void {
    const [kind, first = "", second = ""] = items;
    const count = items.length;
    if (kind === "log" && (count === 2 || count === 3)) {
      this.#logs.push(parseKey(first, LOG_TYPES, this.#logs));
    } else if (kind === "witness" && (count === 3 || count === 4)) {
      const key = parseKey(second, COSIGNATURE_TYPES, this.#witnesses.values());
      this.#define(first);
      this.#witnesses.set(first, key);
    } else if (kind === "group" && count >= 4) {
      this.#groups.push(this.#group(first, second, items.slice(3)));
      this.#define(first);
    } else if (kind === "quorum" && count === 2 && this.#quorum === undefined && this.#isKnown(first)) {
      this.#quorum = first;
    } else {
      throw malformed("a line of the policy is not allowed here", "policy");
    }
    if (Math.max(this.#logs.length, this.#witnesses.size, this.#groups.length) > MAX_ITEMS) {
      throw tooLarge("the policy has too many lines", "policy");
    }
  }

  policy(): Policy {
    if (this.#quorum === undefined) throw malformed("a policy has one quorum line", "quorum");
    return new Policy(this.#logs, this.#witnesses, this.#groups, this.#quorum);
  }

  #isKnown(name: string): boolean {
    return name === QUORUM_NONE || this.#defined.has(name);
  }

  #define(name: string): void {
    if (this.#isKnown(name)) throw malformed("a name of the policy is taken", "name");
    this.#defined.add(name);
  }

  #group(name: string, rule: string, members: readonly string[]): Group {
    for (const member of members) {
      if (!this.#defined.has(member) || this.#members.has(member)) {
        throw malformed("a group member is not defined, or is a member already", "group");
      }
      this.#members.add(member);
    }
    if (rule === "any") return { name, threshold: 1, members };
    if (rule === "all") return { name, threshold: members.length, members };
    if (!THRESHOLD.test(rule) || Number(rule) > members.length) {
      throw malformed("a group's threshold is 1 to the number of its members", "group");
    }
    return { name, threshold: Number(rule), members };
  }
}

function parseKey(vkey: string, types: readonly number[], known: Iterable<VerifierKey>): VerifierKey {
  const key = parseVkey(vkey);
  if (!types.includes(key.signatureType)) {
    throw new CodedError("unsupported", "a key of this type does not fit its role", "vkey");
  }
  for (const other of known) {
    if (equal(other.publicKey, key.publicKey)) throw malformed("a public key stands in the policy twice", "vkey");
  }
  return key;
}
