/**
 * What the bearer chose to show: the disclosed claims of a card, checked and decoded (docs/protocol.md section 6).
 *
 * Each disclosure must match a digest that the issuer signed (bad_disclosure); its value must be of the form in
 * docs/safeconduct.cddl (malformed). A padded value that is null was not said and is not shown. Claims that this
 * version does not know are kept as they are: the issuer signed them and the bearer shows them.
 */

import { isBytes, encodeUtf8, toBase64 } from "./bytes.ts";
import { BASES, CANNOT_EXCLUDE } from "./birth.ts";
import { dateOfDay, dayOfSeconds, formatDay, quarterOfDay } from "./calendar_days.ts";
import type { Card } from "./card.ts";
import { CborMap, REDACTED_KEYS, type Value } from "./cbor.ts";
import { CLAIM_STATUS } from "./claims.ts";
import { parseDisclosure } from "./disclosure.ts";
import { malformed } from "./errors.ts";
import { type CompanionRight, type Plain, plain } from "./evidence.ts";
import { UNSEEN } from "./fields.ts";
import { parsePadded } from "./padding.ts";
import { applyDisclosures } from "./sd_cwt.ts";

export const AGES = "ages";
export const COMPANION = "companion";
const ANSWERS = ["no", "yes", "cannot_exclude"] as const;
export const SCOPES = ["travel", "school", "medical", "daily_care"] as const;
export const SEXES = ["female", "male", "other"] as const;
const HASH_BYTES = 16;
const FIRST_QUARTER = 4;
const LAST_QUARTER = 9999 * 4 + 3;
/** Claims in clear that a disclosure must not repeat, beyond those that the draft names itself. */
const IN_CLEAR = [2, 11, CLAIM_STATUS];
const NAME_MAX_BYTES = 160;
const LATIN_MAX_CHARACTERS = 80;
const SCRIPT = /^[A-Z][a-z]{3}$/;
const LATIN = /^[A-Z]+(?:[ '-]{1,2}[A-Z]+)*'?$/;

/** Return the claims that the card's open disclosures give, by name; throws bad_disclosure or malformed. */
export function openDisclosures(card: Card): CborMap {
  const payload = new CborMap();
  for (const label of IN_CLEAR) payload.set(label, null);
  payload.set(REDACTED_KEYS, [...card.claims.digests]);
  const { claims } = applyDisclosures(payload, card.header.opened);
  return CborMap.of(...[...claims.entries()].filter(([key]) => !IN_CLEAR.includes(key as number)));
}

/**
 * Return age -> answer to "under that age?" as of `judgedS`: from the start of its quarter on an answer reads
 * cannot_exclude. Throws malformed for what is not `ages` of the CDDL.
 */
export function readAnswers(value: Value, judgedS: number): Map<number, string> {
  if (!(value instanceof CborMap) || value.size === 0) throw malformed("age answers are a map", AGES);
  const quarter = quarterOfDay(dayOfSeconds(judgedS));
  const answers = new Map<number, string>();
  for (const [age, pair] of value.entries()) {
    if (typeof age !== "number" || age < 1 || age > 99 || !Array.isArray(pair) || pair.length !== 2) {
      throw malformed("an age answer has an age, an answer and a quarter", AGES);
    }
    const [answer, until] = pair;
    if (typeof answer !== "number" || answer < 0 || answer > CANNOT_EXCLUDE) {
      throw malformed("an answer is 0, 1 or 2", AGES);
    }
    if (typeof until !== "number" || until < FIRST_QUARTER || until > LAST_QUARTER) {
      throw malformed("an answer ends with a quarter", AGES);
    }
    answers.set(age, ANSWERS[quarter < until ? answer : CANNOT_EXCLUDE]!);
  }
  return answers;
}

/** Return the authorisation that stands open on a companion's card; throws malformed for another form. */
export function readCompanion(card: Card, judgedS: number): CompanionRight {
  const part = card.header.opened.map(parseDisclosure).find(({ key }) => key === COMPANION);
  const [child, adult, scope, until] = part && Array.isArray(part.value) && part.value.length === 4 ? part.value : [];
  const name = typeof scope === "number" ? SCOPES[scope - 1] : undefined;
  const areHashes = isHash(child) && isHash(adult);
  if (!part || !areHashes || name === undefined || (typeof until !== "number" && typeof until !== "bigint")) {
    throw malformed("not the form of a companion's authorisation", COMPANION);
  }
  const lastDay = Number(until);
  dateOfDay(lastDay);
  return { scope: name, until: lastDay, ended: dayOfSeconds(judgedS) > lastDay, salt: part.salt, child, adult };
}

/**
 * Return every disclosed claim but answers and authorisation, those of known names decoded; values that are null are
 * left out. Throws malformed for a value of a known name that is not padded, or not of its form.
 */
export function readOpened(claims: CborMap): Map<string, Plain> {
  const opened = new Map<string, Plain>();
  for (const [name, value] of claims.entries()) {
    if (name === AGES || name === COMPANION) continue;
    if (name === "more" && value instanceof CborMap) {
      for (const [inner, item] of readOpened(value)) opened.set(inner, item);
      continue;
    }
    const reader = typeof name === "string" ? READERS.get(name) : undefined;
    if (!reader || typeof name !== "string") {
      opened.set(String(name), plain(value));
      continue;
    }
    const said = parsePadded(value, name);
    if (said !== null) opened.set(name, reader(said));
  }
  return opened;
}

function isHash(value: Value | undefined): value is Uint8Array {
  return isBytes(value) && value.length === HASH_BYTES;
}

function readNames(value: Value): Plain {
  if (!Array.isArray(value) || value.length === 0) throw malformed("names are a list", "names");
  return value.map((item) => {
    const [text, script, latin, kind] = Array.isArray(item) && item.length === 4 ? item : [];
    const isName =
      typeof text === "string" &&
      text !== "" &&
      encodeUtf8(text).length <= NAME_MAX_BYTES &&
      !UNSEEN.test(text) &&
      typeof script === "string" &&
      SCRIPT.test(script) &&
      typeof latin === "string" &&
      latin.length <= LATIN_MAX_CHARACTERS &&
      LATIN.test(latin) &&
      (kind === 0 || kind === 1);
    if (!isName) throw malformed("a name is not of its form", "names");
    return { text, script, latin, kind: kind === 0 ? "primary" : "known_as" };
  });
}

function readBirth(value: Value): Plain {
  const [earliest, latest, basis, calendar, told] = Array.isArray(value) && value.length === 5 ? value : [];
  const name = typeof basis === "number" ? BASES[basis] : undefined;
  if (
    (typeof earliest !== "number" && typeof earliest !== "bigint") ||
    (typeof latest !== "number" && typeof latest !== "bigint") ||
    name === undefined ||
    typeof calendar !== "string" ||
    typeof told !== "string" ||
    earliest > latest
  ) {
    throw malformed("a birth is not of its form", "birth");
  }
  return { earliest: formatDay(Number(earliest)), latest: formatDay(Number(latest)), basis: name, calendar, told };
}

function readSex(value: Value): Plain {
  const name = typeof value === "number" ? SEXES[value - 1] : undefined;
  if (name === undefined) throw malformed("a sex is a number from 1 to 3", "sex");
  return name;
}

function readNationalities(value: Value): Plain {
  if (!Array.isArray(value) || value.length === 0 || !value.every((code) => typeof code === "string")) {
    throw malformed("nationalities are a list of texts", "nationalities");
  }
  return value;
}

function readBirthplace(value: Value): Plain {
  if (typeof value !== "string" || value === "") throw malformed("a birthplace is a text", "birthplace");
  return value;
}

function readPortrait(value: Value): Plain {
  if (!isBytes(value) || value.length === 0) throw malformed("a portrait is a byte string", "portrait");
  return toBase64(value);
}

const READERS: ReadonlyMap<string, (value: Value) => Plain> = new Map([
  ["names", readNames],
  ["birth", readBirth],
  ["sex", readSex],
  ["nationalities", readNationalities],
  ["birthplace", readBirthplace],
  ["portrait", readPortrait],
]);
