/**
 * Signed notes (C2SP signed-note): text, a blank line, and lines `— <key name> <base64(4-byte key ID ||
 * signature)>`; and the text forms of the keys that sign them.
 *
 * Three signature types are known: Ed25519 over the text (0x01), and the timestamped cosignatures 0x04
 * (Ed25519) and 0x06 (ML-DSA-44), whose messages `cosignature.ts` composes.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { ml_dsa44 } from "@noble/post-quantum/ml-dsa.js";
import { codePoints, concat, decodeUtf8, encodeUtf8, fromBase64, isBytes, toBase64, toHex } from "./bytes.ts";
import { verifyEd25519 } from "./ed25519.ts";
import { CodedError, malformed, tooLarge, unsupported } from "./errors.ts";

export const TYPE_ED25519 = 0x01;
export const TYPE_ED25519_COSIGNATURE = 0x04;
export const TYPE_MLDSA44_COSIGNATURE = 0x06;
const PUBLIC_KEY_SIZES = new Map([
  [TYPE_ED25519, 32],
  [TYPE_ED25519_COSIGNATURE, 32],
  [TYPE_MLDSA44_COSIGNATURE, 1312],
]);
const MLDSA44_SIGNATURE_SIZE = 2420;

export const MAX_NOTE_SIZE = 64 * 1024;
const MAX_SIGNATURES = 100;
const MAX_KEY_NAME_BYTES = 255;
const LINE_START = "\u2014 ";
// Controls but the newline, and lone surrogates, which no UTF-8 has.
const NOT_IN_A_NOTE = /[\u0000-\u0009\u000b-\u001f]/;
const SURROGATE = /\p{Surrogate}/u;
// White space of Unicode (written out, so that no table decides it), controls, and the plus sign.
const NOT_IN_A_NAME =
  /[\u0000-\u0020+\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]|\p{Surrogate}/u;

/** One signature line: the key's name, its key ID in hex, and the bytes after the ID. */
export interface NoteSignature {
  readonly name: string;
  readonly keyId: string;
  readonly signature: Uint8Array;
}

/** A note as it was read: `text` ends in a newline; nothing is verified yet. */
export interface Note {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** A public key of a known signature type under a name; the key ID is derived, never chosen. */
export class VerifierKey {
  readonly name: string;
  readonly signatureType: number;
  readonly publicKey: Uint8Array;
  /** SHA-256(name || 0x0A || type || public key)[:4] in hex. */
  readonly keyId: string;

  constructor(name: string, signatureType: number, publicKey: Uint8Array) {
    this.name = name;
    this.signatureType = signatureType;
    this.publicKey = publicKey;
    const digest = sha256(concat(encodeUtf8(name), Uint8Array.of(0x0a, signatureType), publicKey));
    this.keyId = toHex(digest.subarray(0, 4));
  }
}

/**
 * Read a note without verifying anything.
 *
 * Throws too_large above 64 KiB or 100 signature lines; malformed for what is not UTF-8, a control character
 * other than newline, no blank line, or a line that is not exactly `— <key name> <canonical base64>`.
 */
export function parseNote(data: string | Uint8Array): Note {
  const text = readText(data);
  const split = text.lastIndexOf("\n\n");
  if (split < 0) throw malformed("a note has a blank line between text and signatures", "note");
  const lines = text.slice(split + 2).split("\n");
  if (lines.pop() !== "" || lines.length === 0) {
    throw malformed("a note ends in signature lines with newlines", "signatures");
  }
  if (lines.length > MAX_SIGNATURES) throw tooLarge("the note has too many signatures", "signatures");
  return { text: text.slice(0, split + 1), signatures: lines.map(parseSignatureLine) };
}

/** Return the line that claims to be by this key, by name and key ID; throws bad_signature where two do. */
export function findLine(note: Note, key: VerifierKey): NoteSignature | undefined {
  const lines = note.signatures.filter((line) => line.name === key.name && line.keyId === key.keyId);
  if (lines.length > 1) throw new CodedError("bad_signature", "the note has two lines of one key", "note");
  return lines[0];
}

/** Check a bare signature with the algorithm of the key's type; throws bad_signature. */
export function checkRawSignature(key: VerifierKey, message: Uint8Array, signature: Uint8Array): void {
  const isValid =
    key.signatureType === TYPE_MLDSA44_COSIGNATURE
      ? verifyMlDsa44(key.publicKey, message, signature)
      : verifyEd25519(key.publicKey, message, signature);
  if (!isValid) throw new CodedError("bad_signature", "a note signature is not valid", "note");
}

/**
 * Read a verifier key `<name>+<8 hex digits>+<base64(type || public key)>`.
 *
 * Throws unsupported for another type than 0x01, 0x04 or 0x06, malformed for any other form.
 */
export function parseVkey(text: string): VerifierKey {
  const first = text.indexOf("+");
  const second = first < 0 ? -1 : text.indexOf("+", first + 1);
  if (second < 0) throw malformed("a verifier key has three parts", "vkey");
  const blob = fromBase64(text.slice(second + 1), "vkey");
  const name = text.slice(0, first);
  const key = checkedKey(name, blob[0] ?? 0, blob.slice(1));
  if (`${name}+${key.keyId}+${toBase64(blob)}` !== text) {
    throw malformed("the verifier key's ID does not belong to it", "vkey");
  }
  return key;
}

function parseSignatureLine(line: string): NoteSignature {
  const parts = line.startsWith(LINE_START) ? line.slice(LINE_START.length).split(" ") : [];
  const [name, encoded] = parts;
  if (parts.length !== 2 || name === undefined || encoded === undefined) {
    throw malformed("a signature line is a dash, a key name and base64", "signatures");
  }
  const blob = fromBase64(encoded, "signatures");
  if (blob.length < 5) throw malformed("a signature line holds a key ID and a signature", "signatures");
  checkKeyName(name);
  return { name, keyId: toHex(blob.subarray(0, 4)), signature: blob.slice(4) };
}

function verifyMlDsa44(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== MLDSA44_SIGNATURE_SIZE) return false;
  try {
    return ml_dsa44.verify(signature, message, publicKey);
  } catch {
    return false;
  }
}

function readText(data: string | Uint8Array): string {
  const size = isBytes(data) ? data.length : codePoints(data);
  if (size > MAX_NOTE_SIZE) throw tooLarge("the note is too large", "note");
  const text = isBytes(data) ? decodeUtf8(data) : data;
  if (text === undefined || SURROGATE.test(text)) throw malformed("a note is UTF-8 text", "note");
  if (encodeUtf8(text).length > MAX_NOTE_SIZE) throw tooLarge("the note is too large", "note");
  if (NOT_IN_A_NOTE.test(text)) throw malformed("a note holds no control characters", "note");
  return text;
}

function checkKeyName(name: string): void {
  if (name === "" || NOT_IN_A_NAME.test(name)) {
    throw malformed("a key name is not empty and has no spaces or plus signs", "name");
  }
}

function checkedKey(name: string, signatureType: number, publicKey: Uint8Array): VerifierKey {
  const size = PUBLIC_KEY_SIZES.get(signatureType);
  if (size === undefined) throw unsupported("not a known signature type", "key");
  if (publicKey.length !== size) throw malformed("the public key has the wrong length", "key");
  checkKeyName(name);
  if (encodeUtf8(name).length > MAX_KEY_NAME_BYTES) throw tooLarge("the key name is too long", "name");
  return new VerifierKey(name, signatureType, publicKey);
}
