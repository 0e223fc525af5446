/** Which of the languages at hand serves best whoever prefers others (after RFC 4647, section 3.4, lookup). */

const MASTER = "en";

/**
 * Return the best of the codes `offered`, "en" where none serves.
 *
 * `wanted` is most wanted first, as in `navigator.languages`. For each wanted language in turn: the same tag, then the
 * same language in the same script. Another script is no match: whoever reads Uzbek in Latin may not read it in Arabic.
 *
 *     bestLanguage(["pt-BR", "fr-CA"], ["en", "fr"]) === "fr"
 */
export function bestLanguage(wanted: readonly string[], offered: readonly string[]): string {
  for (const tag of wanted) {
    const same = offered.find((code) => code.toLowerCase() === tag.toLowerCase());
    if (same) return same;
    const full = expand(tag);
    const close = full && offered.find((code) => !isPseudo(code) && expand(code) === full);
    if (close) return close;
  }
  return MASTER;
}

/** Language and script of a tag, with the script that the language is usually written in; undefined for no tag. */
function expand(tag: string): string | undefined {
  try {
    const { language, script } = new Intl.Locale(tag).maximize();
    return `${language}-${script ?? ""}`;
  } catch {
    return undefined;
  }
}

/** The pseudo-locales of Unicode have regions of their own, XA and XB. */
function isPseudo(code: string): boolean {
  return code.endsWith("-XA") || code.endsWith("-XB");
}
