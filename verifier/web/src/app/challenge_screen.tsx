/**
 * Asking the bearer's device: a code with this station's name and a nonce, which the device answers with a code that
 * is signed for this station, now (docs/protocol.md section 10). The nonce lives as long as the check that asked for it.
 */

import { useEffect, useMemo, useRef } from "preact/hooks";
import { formatChallenge } from "../core/challenge.ts";
import { AnimatedCodes } from "../scan/animated.tsx";
import { useWords } from "../words/words.ts";

interface ChallengeProps {
  readonly audience: string;
  readonly nonce: Uint8Array;
  /** Read the code that the device shows in answer. */
  readonly onScan: () => void;
  readonly onBack: () => void;
}

export function ChallengeScreen({ audience, nonce, onScan, onBack }: ChallengeProps) {
  const words = useWords();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const texts = useMemo(() => [formatChallenge({ aud: audience, cnonce: nonce })], [audience, nonce]);
  return (
    <main class="screen">
      <h1 ref={heading} tabIndex={-1}>
        {words.text("phone.app.ask_device.title")}
      </h1>
      <p>{words.text("phone.app.ask_device.how")}</p>
      <AnimatedCodes texts={texts} label={words.text("phone.app.ask_device.code")} />
      <div class="row">
        <button type="button" class="main" onClick={onScan}>
          {words.text("phone.app.ask_device.scan")}
        </button>
        <button type="button" onClick={onBack}>
          {words.text("phone.app.back")}
        </button>
      </div>
    </main>
  );
}

export const NONCE_BYTES = 16;

/** A nonce that nobody can foresee. */
export function makeNonce(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
}
