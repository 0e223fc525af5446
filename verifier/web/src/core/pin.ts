/**
 * The pin: which one ledger a station believes (docs/protocol.md, sections 3 and 9).
 *
 * Origins at `practice.invalid` are those of practice cards, whose keys everybody can make: no pin names one.
 */

import { encodeUtf8, fromHex } from "./bytes.ts";
import { CodedError } from "./errors.ts";
import { parseOrigin } from "./fields.ts";

const PIN_MAX_BYTES = 4_096;
const CELL_SIZE = 16;
const PRACTICE_HOST = "practice.invalid";
const HEX_HASH = /^[0-9a-f]{64}$/;
const STRINGS = /"(?:[^"\\]|\\.)*"/g;
/** Outside strings: a number that is spelled with a fraction or an exponent; 16.0 is no size elsewhere. */
const NOT_WHOLE = /[.eE]/;

/** Origin, leaf hash of the charter, and the least tree of it that is used. */
export interface Pin {
  readonly origin: string;
  readonly charterHash: Uint8Array;
  readonly least: { readonly size: number; readonly root: Uint8Array } | undefined;
}

/**
 * Read the text of a pin file, `{"origin": ..., "charter": <64 hex digits>}`, perhaps with
 * `"least": {"size", "root"}`; throws bad_input for anything else.
 */
export function parsePin(text: string): Pin {
  let value: unknown;
  try {
    if (encodeUtf8(text).length <= PIN_MAX_BYTES) value = JSON.parse(text);
  } catch {
    throw badInput("a pin is a JSON file", "pin");
  }
  if (NOT_WHOLE.test(text.replace(STRINGS, ""))) throw badInput("a pin has an origin and a charter", "pin");
  if (!isRecord(value) || Object.keys(value).some((name) => !["origin", "charter", "least"].includes(name))) {
    throw badInput("a pin has an origin and a charter", "pin");
  }
  const { origin, charter, least } = value as { origin?: unknown; charter?: unknown; least?: unknown };
  if (typeof origin !== "string" || typeof charter !== "string") {
    throw badInput("a pin has an origin and a charter", "pin");
  }
  if (!("least" in value)) return makePin(origin, charter);
  const tree = parseLeastForm(least);
  return { ...makePin(origin, charter), least: makeLeast(tree) };
}

/**
 * Return the pin of an origin and the charter's leaf hash in hex; throws bad_input for what is neither, and for the
 * origin of practice cards.
 */
export function makePin(origin: string, charterHex: string): Pin {
  try {
    parseOrigin(origin, "origin");
  } catch {
    throw badInput("an origin is a URL without scheme", "origin");
  }
  if (isPractice(origin)) throw badInput("practice cards are never believed", "origin");
  if (!HEX_HASH.test(charterHex)) throw badInput("a charter hash is 64 small hex digits", "charter");
  return { origin, charterHash: fromHex(charterHex), least: undefined };
}

/** Whether an origin is one of practice cards, which nobody may believe. */
export function isPractice(origin: string): boolean {
  const host = origin.split(/[:/]/, 1)[0]!.toLowerCase().replace(/\.+$/, "");
  return host === PRACTICE_HOST || host.endsWith(`.${PRACTICE_HOST}`);
}

interface LeastForm {
  readonly size: number;
  readonly root: string;
}

function parseLeastForm(value: unknown): LeastForm {
  const isForm = isRecord(value) && Object.keys(value).length === 2;
  const { size, root } = (isForm ? value : {}) as { size?: unknown; root?: unknown };
  if (typeof size !== "number" || !Number.isInteger(size) || typeof root !== "string") {
    throw badInput("a pin has an origin and a charter", "pin");
  }
  return { size, root };
}

function makeLeast({ size, root }: LeastForm): NonNullable<Pin["least"]> {
  if (!Number.isSafeInteger(size) || size < CELL_SIZE || size % CELL_SIZE || !HEX_HASH.test(root)) {
    throw badInput("a least tree has a size, a multiple of 16, and a root", "least");
  }
  return { size, root: fromHex(root) };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function badInput(detail: string, field: string): CodedError {
  return new CodedError("bad_input", detail, field);
}
