/**
 * Text that came from elsewhere, kept from turning the sentence around it (Unicode Standard Annex 9).
 *
 * A name in Arabic within an English sentence, or a Latin one within an Arabic sentence, stands between FSI (U+2068)
 * and PDI (U+2069): its direction is found from its own first letter and ends with it.
 */

const FSI = "\u2068";
const PDI = "\u2069";
const ISOLATES: readonly string[] = ["\u2066", "\u2067", FSI];
/** Embeddings and overrides, and what ends them: nobody's name needs them, and they can show a text backwards. */
const OVERRIDES = /[\u202a-\u202e]/g;

/** Return the text between FSI and PDI; isolates within it that do not pair are closed or left out. */
export function isolate(text: string): string {
  let open = 0;
  let inside = "";
  for (const letter of text.replace(OVERRIDES, "")) {
    if (ISOLATES.includes(letter)) open += 1;
    if (letter === PDI && open === 0) continue;
    if (letter === PDI) open -= 1;
    inside += letter;
  }
  return FSI + inside + PDI.repeat(open + 1);
}
