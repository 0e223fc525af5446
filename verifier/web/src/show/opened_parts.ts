/**
 * What the bearer opened, as lines and pictures: the twin of `_opened_parts` of `verifier/pages.py`.
 *
 * Everything here is personal. Its result is made when it is shown, and let go when it is hidden.
 */

import { parseDay } from "../core/calendar_days.ts";
import type { Plain } from "../core/evidence.ts";
import type { Words } from "../words/words.ts";

export interface OpenedPart {
  /** Name of the claim. */
  readonly name: string;
  readonly label: string;
  readonly values: readonly string[];
  /** A picture of a format that every browser shows. */
  readonly picture?: Blob | undefined;
}

interface Name {
  readonly text: string;
  readonly latin: string;
  readonly kind: string;
}

interface Birth {
  readonly earliest: string;
  readonly latest: string;
  readonly basis: string;
  readonly told: string;
}

/** What a person is compared with comes first; claims of other names follow as they stand on the card. */
const ORDER = ["portrait", "names", "birth", "sex", "nationalities", "birthplace"];
const PICTURES: readonly (readonly [start: readonly number[], type: string])[] = [
  [[0x52, 0x49, 0x46, 0x46], "image/webp"],
  [[0xff, 0xd8, 0xff], "image/jpeg"],
  [[0x89, 0x50, 0x4e, 0x47], "image/png"],
];

export function openedParts(opened: ReadonlyMap<string, Plain>, words: Words): OpenedPart[] {
  const rank = (name: string): number => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return [...opened]
    .sort(([one], [other]) => rank(one) - rank(other))
    .map(([name, value]) => ({ name, ...openedPart(name, value, words) }));
}

function openedPart(name: string, value: Plain, words: Words): Omit<OpenedPart, "name"> {
  const label = wordOr(`page.labels.${name}`, name, words);
  switch (name) {
    case "names":
      return { label, values: (value as unknown as readonly Name[]).flatMap((one) => nameLines(one, words)) };
    case "birth":
      return { label, values: birthLines(value as unknown as Birth, words) };
    case "sex":
      return { label, values: [wordOr(`phone.show.sexes.${String(value)}`, String(value), words)] };
    case "nationalities":
      return { label, values: (value as readonly string[]).map((code) => nationality(code, words)) };
    case "portrait":
      return portrait(label, String(value), words);
    default:
      return { label, values: (Array.isArray(value) ? value : [value]).map(plainLine) };
  }
}

/** Script and Latin on lines of their own: on one line, two directions get mixed where it wraps. */
function nameLines({ text, latin, kind }: Name, words: Words): string[] {
  const first = kind === "known_as" ? words.text("page.known_as", { name: text }) : text;
  return text === latin ? [first] : [first, latin];
}

function birthLines({ earliest, latest, basis, told }: Birth, words: Words): string[] {
  const [first, last] = [earliest, latest].map((day) => words.day(parseDay(day) ?? 0)) as [string, string];
  const span = earliest === latest ? first : words.text("page.between", { first, last });
  const said = told === "" ? [] : [words.text("page.told", { told })];
  return [span, wordOr(`page.basis.${basis}`, basis, words), ...said];
}

function nationality(code: string, words: Words): string {
  return code === "undetermined" ? words.text("phone.show.undetermined") : code;
}

function portrait(label: string, base64: string, words: Words): Omit<OpenedPart, "name"> {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const type = PICTURES.find(([start]) => start.every((byte, place) => bytes[place] === byte))?.[1];
  if (type === undefined) return { label, values: [words.text("page.bytes", { count: bytes.length })] };
  return { label, values: [], picture: new Blob([bytes], { type }) };
}

function plainLine(value: Plain): string {
  if (Array.isArray(value)) return value.map(plainLine).join(", ");
  if (value !== null && typeof value === "object") {
    return Object.entries(value).map(([key, item]) => `${key}: ${plainLine(item as Plain)}`).join(", ");
  }
  return String(value);
}

function wordOr(path: string, fallback: string, words: Words): string {
  return words.has(path) ? words.text(path) : fallback;
}
