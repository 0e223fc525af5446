/**
 * The discreet mode: one screen for every result, and the result only under a finger.
 *
 * The screen does not know what it hides: nothing of a state, of the number of cards or of what can be done with them
 * is in the document until it is held, and every button is there for every state. Whoever holds the phone feels one,
 * two or three pulses; a phone that cannot buzz says so, and shows the result to whoever holds it. Whoever cannot hold,
 * or wants to read it all, takes two steps.
 */

import type { ComponentChildren } from "preact";
import type { CompanionResult } from "../core/companion.ts";
import type { Settings } from "../keep/settings.ts";
import { stateWords, tell } from "../words/tell.ts";
import { useWords } from "../words/words.ts";
import { LINK_COLOURS } from "./companion.tsx";
import { isShown } from "./hold.ts";
import { lookOf, type NumberedVerdict } from "./looks.ts";
import { LinkShape, ShapeOf } from "./shapes.tsx";
import { canVibrate } from "./signals.ts";
import { useHold } from "./use_hold.ts";

/** How long a result is shown at most without being held anew, or used. */
const SHOWN_MS = 30_000;
/** Cards that fit on a small screen while it is held, beside the one that leads. */
const MORE_MAX = 2;

export interface DiscreetProps {
  readonly results: readonly NumberedVerdict[];
  readonly companion: CompanionResult | undefined;
  readonly settings: Settings;
  /** Buzz once more. */
  readonly onBuzz: () => void;
  /** Add a card to this check: the same button for every state, to the camera for every state. */
  readonly onTogether: () => void;
  /** The whole result, as outside the discreet mode. */
  readonly children: ComponentChildren;
}

export function Discreet({ results, companion, settings, onBuzz, onTogether, children }: DiscreetProps) {
  const words = useWords();
  const { showing, hold, events } = useHold(SHOWN_MS);
  const isBuzzing = settings.vibration && canVibrate();
  const stepWords = showing === "armed" || showing === "opened" ? showing : "steps";
  const use = () => hold.extend();
  return (
    <>
      {showing !== "opened" && (
        <button type="button" class="hold-area" {...events}>
          {isShown(showing) ? (
            <Glance results={results} companion={companion} />
          ) : (
            <>
              <span class="hold-title">{words.text("phone.show.discreet.hold")}</span>
              <span>{words.text(`phone.show.discreet.${isBuzzing ? "pulses" : "no_pulses"}`)}</span>
            </>
          )}
        </button>
      )}
      <div class="row">
        <button type="button" onClick={() => hold.step()}>
          {words.text(`phone.show.discreet.${stepWords}`)}
        </button>
        {isBuzzing && (
          <button type="button" onClick={onBuzz}>
            {words.text("phone.show.discreet.buzz")}
          </button>
        )}
        <button type="button" onClick={onTogether}>
          {words.text("phone.show.together.more")}
        </button>
      </div>
      {showing === "opened" && (
        <div class="revealed" onPointerDown={use} onKeyDown={use} onTouchMove={use} onWheel={use}>
          {children}
        </div>
      )}
    </>
  );
}

/** All that fits under a finger: the leading state, what to do now, the other cards, and their being together. */
function Glance({ results, companion }: Pick<DiscreetProps, "results" | "companion">) {
  const words = useWords();
  const [leading, ...others] = results;
  if (!leading) return null;
  const told = tell(leading.verdict, words);
  const shown = others.slice(0, MORE_MAX);
  return (
    <span class="glance">
      <span class={`glance-first look-${lookOf(leading.verdict.state).colour}`}>
        <ShapeOf shape={lookOf(leading.verdict.state).shape} />
        <span class="word">
          {others.length > 0 && <span class="number">{words.text("page.card", { number: leading.number })} </span>}
          {told.state.word}
        </span>
      </span>
      <span class="glance-now">{told.state.now}</span>
      {companion && (
        <span class={`glance-row look-${LINK_COLOURS[companion.result]}`}>
          <LinkShape result={companion.result} />
          <span>{words.text(`phone.show.companion.${companion.result}`)}</span>
        </span>
      )}
      {shown.map(({ number, verdict }) => (
        <span key={number} class={`glance-row look-${lookOf(verdict.state).colour}`}>
          <ShapeOf shape={lookOf(verdict.state).shape} />
          <span>
            <span class="number">{words.text("page.card", { number })} </span>
            {stateWords(verdict.state, words).word}
          </span>
        </span>
      ))}
      {others.length > shown.length && (
        <span>{words.text("phone.show.discreet.others", { count: others.length - shown.length })}</span>
      )}
    </span>
  );
}
