/** A button whose work cannot be undone: it asks once, in place, before it is done. */

import { useEffect, useRef, useState } from "preact/hooks";
import { useWords } from "../words/words.ts";

export interface AskOnceProps {
  readonly label: string;
  readonly question: string;
  /** What the button says that does it. */
  readonly yes: string;
  readonly onYes: () => void;
}

export function AskOnce({ label, question, yes, onYes }: AskOnceProps) {
  const words = useWords();
  const [isAsking, setAsking] = useState(false);
  const text = useRef<HTMLParagraphElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const wasAsking = useRef(false);
  useEffect(() => {
    if (isAsking) text.current?.focus();
    else if (wasAsking.current) button.current?.focus();
    wasAsking.current = isAsking;
  }, [isAsking]);
  if (!isAsking) {
    return (
      <button type="button" ref={button} onClick={() => setAsking(true)}>
        {label}
      </button>
    );
  }
  return (
    <div class="ask" role="group" aria-label={label}>
      <p ref={text} tabIndex={-1}>
        {question}
      </p>
      <div class="row">
        <button type="button" class="main" onClick={onYes}>
          {yes}
        </button>
        <button type="button" onClick={() => setAsking(false)}>
          {words.text("phone.keep.no")}
        </button>
      </div>
    </div>
  );
}
