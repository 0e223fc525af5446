/** The number of a contact, as the station wrote it, made into what a phone dials. */

const DIGITS_MIN = 3;

/**
 * Return the address of a call; undefined where what was written is no number.
 *
 *     telOf("+252 (61) 234-567")   // "tel:+25261234567"
 */
export function telOf(written: string): string | undefined {
  const bare = written
    .normalize("NFKC")
    .replace(/[\s()./\u2010-\u2015\u200e\u200f\u2066-\u2069-]/gu, "")
    .replace(/\p{Nd}/gu, latinDigit);
  if (!/^\+?[\d*#]+$/.test(bare) || bare.replace(/\D/g, "").length < DIGITS_MIN) return undefined;
  return `tel:${bare.replaceAll("#", "%23")}`;
}

/** The value of a digit of any script; digits of a script follow each other from its zero. */
function latinDigit(digit: string): string {
  const code = digit.codePointAt(0)!;
  let zero = code;
  while (code - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return String(code - zero);
}
