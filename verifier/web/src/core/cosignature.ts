/**
 * Cosignatures (C2SP tlog-cosignature): timestamped statements of witnesses, and of the log itself.
 *
 * Ed25519 `cosignature/v1` (0x04) and ML-DSA-44 `subtree/v1` (0x06) of whole trees. As of this time, the
 * largest consistent tree that the cosigner has seen of this log has this root.
 */

import { concat, encodeUtf8, fromBigEndian, u64 } from "./bytes.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { CodedError, unsupported } from "./errors.ts";
import {
  checkRawSignature,
  findLine,
  type Note,
  type NoteSignature,
  parseVkey,
  TYPE_ED25519_COSIGNATURE,
  TYPE_MLDSA44_COSIGNATURE,
  type VerifierKey,
} from "./note.ts";

export const COSIGNATURE_TYPES: readonly number[] = [TYPE_ED25519_COSIGNATURE, TYPE_MLDSA44_COSIGNATURE];
/** The year 10000: calendars end before it, and so does the time that a cosignature may claim. */
export const END_OF_TIME_S = 253_402_300_800;
const SUBTREE_LABEL = concat(encodeUtf8("subtree/v1\n"), Uint8Array.of(0));
const MAX_NAME_BYTES = 255;

/** Read the verifier key of a cosigner; throws as `parseVkey`, and unsupported for a type 0x01. */
export function parseCosignerVkey(text: string): VerifierKey {
  const key = parseVkey(text);
  if (!COSIGNATURE_TYPES.includes(key.signatureType)) throw unsupported("not the key of a cosigner", "vkey");
  return key;
}

/**
 * Check one cosignature line of a known key and return its time in seconds.
 *
 * Throws bad_checkpoint where it does not verify or its time lies after the year 9999.
 */
export function checkCosignature(
  key: VerifierKey,
  line: NoteSignature,
  checkpoint: Checkpoint,
  text: string,
): number {
  if (!COSIGNATURE_TYPES.includes(key.signatureType)) throw unsupported("not the key of a cosigner", "key");
  const time = fromBigEndian(line.signature.subarray(0, 8));
  if (typeof time === "bigint" || time >= END_OF_TIME_S) {
    throw new CodedError("bad_checkpoint", "a cosignature is of no time that counts", "note");
  }
  try {
    checkRawSignature(key, cosignedMessage(key, checkpoint, text, time), line.signature.subarray(8));
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw new CodedError("bad_checkpoint", "a cosignature does not verify", "note");
  }
  return time;
}

/**
 * Return local name -> time in seconds of the known witnesses that cosigned the checkpoint.
 *
 * Lines of unknown keys are ignored; a witness without a line is absent. Throws bad_checkpoint where a known
 * witness has a line that does not verify, or two lines.
 */
export function checkCosignatures(
  note: Note,
  checkpoint: Checkpoint,
  witnesses: ReadonlyMap<string, VerifierKey>,
): Map<string, number> {
  const times = new Map<string, number>();
  for (const [name, key] of witnesses) {
    const line = lineOf(note, key);
    if (line) times.set(name, checkCosignature(key, line, checkpoint, note.text));
  }
  return times;
}

/** As `findLine`, with bad_checkpoint for two lines of one key. */
export function lineOf(note: Note, key: VerifierKey): NoteSignature | undefined {
  try {
    return findLine(note, key);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw new CodedError("bad_checkpoint", error.detail, "note");
  }
}

function cosignedMessage(key: VerifierKey, checkpoint: Checkpoint, text: string, timeS: number): Uint8Array {
  if (key.signatureType === TYPE_ED25519_COSIGNATURE) {
    return encodeUtf8(`cosignature/v1\ntime ${timeS}\n${text}`);
  }
  return concat(
    SUBTREE_LABEL,
    shortString(key.name),
    u64(timeS),
    shortString(checkpoint.origin),
    u64(0), // start: a checkpoint covers the tree from its first leaf
    u64(checkpoint.treeSize),
    checkpoint.rootHash,
  );
}

/** Encode a TLS `opaque<1..2^8-1>`. */
function shortString(text: string): Uint8Array {
  const data = encodeUtf8(text);
  if (data.length < 1 || data.length > MAX_NAME_BYTES) {
    throw new CodedError("malformed", "a name in a cosignature has 1 to 255 bytes", "name");
  }
  return concat(Uint8Array.of(data.length), data);
}
