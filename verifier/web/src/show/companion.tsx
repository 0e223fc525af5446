/** Whether these cards belong together: a result of its own, beside the cards and never part of theirs. */

import type { CompanionResult } from "../core/companion.ts";
import { tellCompanion } from "../words/tell.ts";
import { useWords } from "../words/words.ts";
import { LinkShape } from "./shapes.tsx";

/** Colour of a companion result. "Not recorded" is neutral: most real families have no paper. */
export const LINK_COLOURS = { recorded: "green", ended: "amber", not_recorded: "grey" } as const;

export function Companion({ companion, id }: { readonly companion: CompanionResult; readonly id: string }) {
  const words = useWords();
  const { line, questions } = tellCompanion(companion, words);
  return (
    <section class={`verdict companion look-${LINK_COLOURS[companion.result]}`} aria-labelledby={id}>
      <div class="banner">
        <LinkShape result={companion.result} />
        <h2 id={id} tabIndex={-1}>
          <span class="number">{words.text("page.companion")} </span>
          <span class="word">{words.text(`phone.show.companion.${companion.result}`)}</span>
        </h2>
      </div>
      <p>{line}</p>
      {questions.length > 0 && (
        <>
          <h3>{words.text("phone.show.companion.ask")}</h3>
          <ol class="script">
            {questions.map((question) => (
              <li key={question}>{question}</li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}
