/** Choosing the language: each by its own name, as whoever needs it can read no other. */

import { useId } from "preact/hooks";
import { english } from "virtual:languages";
import { LANGUAGES, useWords } from "./words.ts";

export interface LanguagePickerProps {
  readonly onLanguage: (code: string) => void;
}

export function LanguagePicker({ onLanguage }: LanguagePickerProps) {
  const words = useWords();
  const id = useId();
  // A language that is not offered, such as a pseudo-locale, was chosen by a test.
  const isOffered = LANGUAGES.some(({ code }) => code === words.language);
  return (
    <p class="language-picker">
      <label for={id}>
        {words.text("phone.words.language")}
        {words.language === "en" ? null : (
          <>
            {" "}
            <span lang="en" dir="ltr">
              {english.language}
            </span>
          </>
        )}
      </label>
      <select id={id} value={words.language} onChange={(event) => onLanguage(event.currentTarget.value)}>
        {isOffered ? null : <option value={words.language}>{words.language}</option>}
        {LANGUAGES.map(({ code, name, direction }) => (
          <option key={code} value={code} lang={code} dir={direction}>
            {name}
          </option>
        ))}
      </select>
    </p>
  );
}
