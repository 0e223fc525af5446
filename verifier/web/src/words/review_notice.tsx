/** Says that nobody has reviewed the words of this language: in it, and in English for who was sent here to help. */

import { english } from "virtual:languages";
import { useWords } from "./words.ts";

/** Nothing where the words were reviewed. */
export function ReviewNotice() {
  const words = useWords();
  if (words.reviewed) return null;
  return (
    <p class="review-notice">
      {words.text("phone.words.not_reviewed")}{" "}
      <span lang="en" dir="ltr">
        {english.not_reviewed}
      </span>
    </p>
  );
}
