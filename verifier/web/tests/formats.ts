/**
 * What an input of each format leads to, as values of JSON: the same functions as `tests/support/vector_runner.py`.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import * as base45 from "../src/core/base45.ts";
import { ageAnswer, makeInterval, readAnswer } from "../src/core/birth.ts";
import { fromHex, isBytes, toHex } from "../src/core/bytes.ts";
import { parseDay } from "../src/core/calendar_days.ts";
import { readCard } from "../src/core/card.ts";
import { CborMap, decode, Simple, Tag, type Value } from "../src/core/cbor.ts";
import { foldCell } from "../src/core/cells.ts";
import { parseChallenge } from "../src/core/challenge.ts";
import { openCheckpoint } from "../src/core/checkpoint.ts";
import { checkCompanion, companionJson } from "../src/core/companion.ts";
import * as cose from "../src/core/cose.ts";
import { parseCoseKey, PublicKey } from "../src/core/cose_key.ts";
import { checkCosignatures, parseCosignerVkey } from "../src/core/cosignature.ts";
import { applyDelta, makeDelta, parseDelta } from "../src/core/delta.ts";
import { parseDisclosure } from "../src/core/disclosure.ts";
import { type Evidence, stepsOf, type Verdict, verdictJson } from "../src/core/evidence.ts";
import { malformed } from "../src/core/errors.ts";
import { formatFrames, joinFrames } from "../src/core/frames.ts";
import { compareHead, compareList, judgeHead } from "../src/core/heads.ts";
import { checkInclusion, leafHash, rootHash } from "../src/core/merkle.ts";
import { parseVkey } from "../src/core/note.ts";
import { makePin, parsePin } from "../src/core/pin.ts";
import { parsePolicy } from "../src/core/policy.ts";
import { parseQrText, parseSealKeys, recognise } from "../src/core/qr_text.ts";
import { applyDisclosures } from "../src/core/sd_cwt.ts";
import { checkStatement, parseStatement } from "../src/core/statement.ts";
import { parseStatusList } from "../src/core/status_list.ts";
import { checkNewer, openTrustedList, type TrustedList } from "../src/core/trusted_list.ts";
import { judgeTexts } from "../src/core/unsealing.ts";
import { DEFAULT_POLICY, judge } from "../src/core/verdict.ts";

const MAX = 2 ** 20;

// Inputs are JSON of many shapes; a format reads what the README says of it.
export type Input = any;
type Result = { readonly [name: string]: unknown };

/** The code that ended the steps of a verdict, with the state that it leads to. */
class VerdictCode {
  readonly code: string;
  readonly field: string;
  readonly state: string;
  constructor({ codes, field, state }: Verdict) {
    this.code = codes[0]!;
    this.field = field;
    this.state = state;
  }
}

export function isVerdictCode(result: unknown): result is VerdictCode {
  return result instanceof VerdictCode;
}

const loaded = new Map<string, TrustedList>();

/** Keep a bundle under a name. */
export function load({ name, bundle }: Input): void {
  loaded.set(name, openTrustedList(fromHex(bundle.bundle), makePin(bundle.origin, bundle.charter)));
}

export function lists(names: readonly string[]): TrustedList[] {
  return names.map((name) => {
    const trusted = loaded.get(name);
    if (!trusted) throw new Error(`no bundle of the name ${name} was loaded`);
    return trusted;
  });
}

/** Return a CBOR value in the notation of the vectors. */
function show(value: Value): unknown {
  if (isBytes(value)) return { bytes: toHex(value) };
  if (value instanceof Tag) return { tag: number(value.tag), value: show(value.value) };
  if (value instanceof Simple) return { simple: value.value };
  if (value instanceof CborMap) return { map: [...value.entries()].map(([key, item]) => [show(key), show(item)]) };
  if (Array.isArray(value)) return value.map(show);
  return typeof value === "bigint" ? { int: String(value) } : value;
}

function number(value: number | bigint): unknown {
  return typeof value === "bigint" ? { int: String(value) } : value;
}

function key(text: string): PublicKey {
  return parseCoseKey(decode(fromHex(text), 200));
}

function hex(values: readonly Uint8Array[]): string[] {
  return values.map(toHex);
}

function all(texts: readonly string[]): Uint8Array[] {
  return texts.map(fromHex);
}

function day(text: string): number {
  const value = parseDay(text);
  if (value === undefined) throw new Error(`not a date: ${text}`);
  return value;
}

function cose1(given: Input): Result {
  const message = cose.parseSign1(fromHex(given.message), MAX);
  const signer = key(given.key);
  cose.checkSignature(message, signer);
  return {
    protected: show(message.protected),
    payload: toHex(message.payload ?? new Uint8Array()),
    statement_id: toHex(cose.statementId(message)),
    kid: toHex(signer.kid),
  };
}

function merkle(given: Input): Result {
  const leaves = all(given.entries).map(leafHash);
  return { leaves: hex(leaves), root: toHex(rootHash(leaves)) };
}

function inclusion(given: Input): Result {
  checkInclusion(fromHex(given.leaf), given.index, given.size, all(given.path), fromHex(given.root));
  return {};
}

function checkpoint(given: Input): Result {
  const { checkpoint: head, timestampS } = openCheckpoint(given.note, given.log_keys.map(parseVkey));
  return {
    origin: head.origin,
    size: number(head.treeSize),
    root: toHex(head.rootHash),
    time_s: timestampS ?? null,
  };
}

function cosignature(given: Input): Result {
  const signed = openCheckpoint(given.note, given.log_keys.map(parseVkey));
  const witnesses = new Map(
    Object.entries(given.witnesses as { [name: string]: string }).map(([name, text]) => [
      name,
      parseCosignerVkey(text),
    ]),
  );
  return { times_s: Object.fromEntries(checkCosignatures(signed.note, signed.checkpoint, witnesses)) };
}

function policy(given: Input): Result {
  const parsed = parsePolicy(given.text);
  const times = new Map(Object.entries(given.times_s as { [name: string]: number }));
  return {
    logs: parsed.logs.map(({ name }) => name),
    witnesses: [...parsed.witnesses.keys()],
    satisfied: parsed.satisfied(times.keys()),
    quorum_time_s: parsed.quorumTime(times) ?? null,
  };
}

function statement(given: Input): Result {
  const entry = fromHex(given.entry);
  const parsed = parseStatement(entry);
  if (given.key !== null) checkStatement(parsed, key(given.key));
  return {
    kind: parsed.body.kind,
    iss: parsed.iss,
    sub: parsed.sub,
    kid: toHex(parsed.kid),
    alg: parsed.alg,
    statement_id: toHex(parsed.statementId),
    leaf: toHex(leafHash(entry)),
  };
}

function disclosure(text: string): Result {
  const { kind, salt, key: name, value, digest } = parseDisclosure(fromHex(text));
  const shown = name === undefined ? null : typeof name === "string" ? name : number(name);
  return { kind, salt: toHex(salt), key: shown, value: show(value), digest: toHex(digest) };
}

function sdCwt(given: Input): Result {
  const payload = decode(fromHex(given.payload), MAX);
  if (!(payload instanceof CborMap)) throw malformed("not a map", "claims");
  const { claims, used, undisclosed } = applyDisclosures(payload, all(given.disclosures));
  return { claims: show(claims), used: hex(used), undisclosed: hex(undisclosed) };
}

function birth(given: Input): Result {
  const interval = makeInterval(day(given.earliest), day(given.latest));
  const answers: [string, [number, number]][] = given.ages.map((age: number) => [
    String(age),
    ageAnswer(interval, age, day(given.on), given.exp_quarter),
  ]);
  const read = given.read_at_s.map((nowS: number) => [
    String(nowS),
    Object.fromEntries(answers.map(([age, [answer, until]]) => [age, readAnswer(answer, until, nowS)])),
  ]);
  return { answers: Object.fromEntries(answers), read: Object.fromEntries(read) };
}

function statusList(given: Input): Result {
  const places = parseStatusList(given.bits, fromHex(given.lst));
  return {
    raw_sha256: toHex(sha256(places.raw)),
    places: places.length,
    values: Object.fromEntries(given.get.map((idx: number) => [String(idx), places.get(idx)])),
  };
}

function slip(text: string): Result {
  const { sub, keys } = parseSealKeys(text);
  return { sub, keys: Object.fromEntries([...keys].map(([group, sealKey]) => [group, toHex(sealKey)])) };
}

function card(text: string): Result {
  const { entry, header } = readCard(parseQrText(text));
  const { opened, sealed, position } = header;
  return {
    entry: toHex(entry),
    opened: hex(opened),
    sealed: sealed.length,
    position: position ? [position.index, toHex(position.path)] : null,
  };
}

function bundle(given: Input): Result {
  const trusted = openTrustedList(fromHex(given.bundle), makePin(given.origin, given.charter));
  return {
    tree_size: trusted.treeSize,
    root: toHex(trusted.rootHash),
    time_s: trusted.nowMinS,
    issuers: [...trusted.issuers.keys()].sort(),
    lists: [...trusted.lists.keys()].sort(),
  };
}

function verdict(given: Input): Result | VerdictCode {
  const found = judge(given.text, given.bundle === null ? [] : lists([given.bundle]), given.now_s);
  const { evidence } = found;
  if (!evidence) return new VerdictCode(found);
  return { ...verdictJson(found), index: evidence.ledgerIndex ?? null, judged_s: evidence.judgedS };
}

/** Judge the texts of one scan with the bundles, slip and policy of an input. */
export function judgeCodes(given: Input): Verdict[] {
  return judgeTexts(
    given.texts,
    lists(given.bundles),
    given.now_s,
    given.slip === null ? undefined : parseSealKeys(given.slip),
    { ...DEFAULT_POLICY, audience: given.audience, nonce: given.nonce === null ? undefined : fromHex(given.nonce) },
  );
}

function codes(given: Input): Result {
  const verdicts = judgeCodes(given);
  const evidence = verdicts.flatMap((one): Evidence[] => (one.evidence ? [one.evidence] : []));
  const companion = checkCompanion(evidence);
  return {
    verdicts: verdicts.map((one) => {
      const shown = verdictJson(one);
      // Sentences for people are each reader's own.
      return one.evidence ? { ...shown, steps: stepsOf(one.evidence) } : { state: one.state, codes: one.codes };
    }),
    companion: companion ? companionJson(companion) : null,
  };
}

function frames(texts: readonly string[]): Result {
  const { kind, message } = joinFrames(texts);
  return { kind, size: message.length, message_sha256: toHex(sha256(message)) };
}

function challenge(text: string): Result {
  const { aud, cnonce } = parseChallenge(text);
  return { aud, cnonce: toHex(cnonce) };
}

function delta(given: Input): Result {
  const [bundle, data] = [fromHex(given.bundle), fromHex(given.delta)];
  const { fromSize, toSize, approvals, lists: packed, bridges } = parseDelta(data);
  return {
    from: fromSize,
    to: toSize,
    approvals: approvals.map(({ index }) => index),
    lists: packed.map(({ uri }) => uri),
    bridges: bridges.length,
    bundle_sha256: toHex(sha256(applyDelta(bundle, data))),
  };
}

function head(given: Input): Result {
  const mine = lists([given.bundle])[0]!;
  const found =
    given.list === null
      ? compareHead(mine, given.note)
      : compareList(mine, given.note, fromHex(given.list), makePin(mine.origin, given.charter));
  return {
    relation: found.relation,
    size: number(found.checkpoint.treeSize),
    witnesses: [...found.witnesses],
    cosigned: found.isCosigned,
  };
}

function judgedHead(given: Input): Result {
  const mine = lists([given.bundle])[0]!;
  const bundle = given.list === null ? undefined : fromHex(given.list);
  return { relation: judgeHead(mine, { note: given.note, bundle }, makePin(mine.origin, given.charter)).relation };
}

function newer(given: Input): Result {
  const [old, next] = lists([given.old, given.new]);
  checkNewer(old!, next!);
  return {};
}

/** All that a station takes from a bundle, issuer by issuer. */
function opened(given: Input): Result {
  const trusted = openTrustedList(fromHex(given.bundle), makePin(given.origin, given.charter));
  return {
    tree_size: trusted.treeSize,
    time_s: trusted.nowMinS,
    witness_policy: trusted.witnessPolicy,
    log_keys: trusted.logKeys.map((pair) => pair.map(({ keyId }) => Number.parseInt(keyId, 16))),
    issuers: [...trusted.issuers.values()].map((issuer) => ({
      ...issuer.name,
      number: issuer.number,
      keys: [...issuer.keys].map(([kid, record]) => [
        kid,
        record.added,
        ["active", "retired", "distrusted"].indexOf(record.state),
        record.at ?? null,
        record.distrustedFrom ?? null,
      ]),
      scopes: issuer.scopes.map(({ index, vcts, suspended }) => [index, [...vcts].sort(), suspended]),
    })),
  };
}

function signature(given: Input): Result {
  const signer = new PublicKey(given.kind, fromHex(given.x), fromHex(given.y));
  signer.verify(given.alg, fromHex(given.message), fromHex(given.signature));
  return { kid: toHex(signer.kid) };
}

function pin(text: string): Result {
  const { origin, charterHash, least } = parsePin(text);
  return {
    origin,
    charter: toHex(charterHash),
    least: least ? { size: least.size, root: toHex(least.root) } : null,
  };
}

export const FORMATS: ReadonlyMap<string, (input: Input) => Result | VerdictCode> = new Map<
  string,
  (input: Input) => Result | VerdictCode
>([
  ["cbor", (text: string) => ({ value: show(decode(fromHex(text), MAX)) })],
  ["cose", cose1],
  ["merkle", merkle],
  ["inclusion", inclusion],
  [
    "cells",
    ({ leaf, index, path }: Input) => ({ cell: toHex(foldCell(fromHex(leaf), index, fromHex(path))) }),
  ],
  ["checkpoint", checkpoint],
  ["cosignature", cosignature],
  ["policy", policy],
  ["statement", statement],
  ["base45", (text: string) => ({ bytes: toHex(base45.decode(text)) })],
  ["disclosure", disclosure],
  ["sd_cwt", sdCwt],
  ["birth", birth],
  ["status_list", statusList],
  ["slip", slip],
  ["card", card],
  ["bundle", bundle],
  ["verdict", verdict],
  ["codes", codes],
  ["delta", delta],
  ["make_delta", (given: Input) => ({ delta: toHex(makeDelta(fromHex(given.old), fromHex(given.new))) })],
  ["frames", frames],
  ["format_frames", (given: Input) => ({ frames: formatFrames(given.kind, fromHex(given.message), given.part_bytes) })],
  ["challenge", challenge],
  ["head", head],
  ["judge_head", judgedHead],
  ["newer", newer],
  ["opened", opened],
  ["signature", signature],
  ["pin", pin],
  ["recognise", (text: string) => ({ kind: recognise(text) })],
]);
