/** The results of a check: one for each card, and of their being together. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { CompanionResult } from "../core/companion.ts";
import type { Verdict } from "../core/evidence.ts";
import type { Settings } from "../keep/settings.ts";
import { stateWords, tell } from "../words/tell.ts";
import { useWords } from "../words/words.ts";
import { Companion, LINK_COLOURS } from "./companion.tsx";
import { Discreet } from "./discreet.tsx";
import { Help } from "./help.tsx";
import { NOTICE_MS } from "./leaving.ts";
import { leadingFirst, lookOf, type NumberedVerdict } from "./looks.ts";
import { LinkShape, ShapeOf } from "./shapes.tsx";
import { hush, signal } from "./signals.ts";
import { askFor } from "./together.ts";
import { useLeaving } from "./use_leaving.ts";
import { VerdictCard } from "./verdict_card.tsx";
import "./show.css";

/** A live region is announced where it changes after it is there, and after the heading has taken the focus. */
const ANNOUNCE_MS = 300;
/** Fixed, as a number that counts what was drawn would make the discreet screen differ from one card to the next. */
const TITLE_ID = "result-title";

export interface ResultsProps {
  readonly verdicts: readonly Verdict[];
  /** Undefined where no child's card was checked together with an adult's. */
  readonly companion: CompanionResult | undefined;
  readonly settings: Settings;
  /** Shown as a practice card, with stripes and the word. */
  readonly practice?: boolean | undefined;
  /** Check another card; the result is gone. Called as well when the result goes by itself. */
  readonly onAgain: () => void;
  /** Add a card to this check; undefined where that makes no sense. */
  readonly onTogether?: (() => void) | undefined;
  /** The bearer hands over the slip; undefined where nothing is sealed. */
  readonly onSlip?: (() => void) | undefined;
  /** Code of what was wrong with the slip. */
  readonly slipProblem?: string | undefined;
  /** Entries of the ledger that the list at hand has, for the details. */
  readonly treeSize?: number | undefined;
  /** The shell has "get help" on the screen already. */
  readonly hasHelp?: boolean | undefined;
  /** Part of a screen that has a heading and buttons of its own, and keeps the focus. */
  readonly isPart?: boolean | undefined;
}

export function ResultsScreen(props: ResultsProps) {
  const { verdicts, companion, settings, practice = false, onAgain, onTogether, hasHelp = false, isPart = false } = props;
  const words = useWords();
  const heading = useRef<HTMLHeadingElement>(null);
  const results = useMemo(() => leadingFirst(verdicts), [verdicts]);
  const leading = results[0]?.verdict.state ?? "unreadable";
  // What is said once and not again because something else on the screen was drawn anew.
  const said = [...verdicts.map(({ state }) => state), companion?.result].join();
  const { isNoticed, isCovered } = useLeaving(onAgain, practice);
  useEffect(() => {
    heading.current?.focus();
    signal(leading, settings);
    return hush;
  }, [said]);
  const Root = isPart ? "div" : "main";
  if (isCovered) return <Root class="screen results" />;
  const { discreet } = settings;
  return (
    <Root class={`screen results${practice ? " practice" : ""}`} aria-labelledby={isPart ? undefined : TITLE_ID}>
      {practice && <p class="practice-mark">{words.text("phone.show.practice_mark")}</p>}
      {!isPart && (
        <h1 id={TITLE_ID} ref={heading} tabIndex={-1}>
          {words.text(discreet ? "phone.show.discreet.title" : "phone.show.title")}
        </h1>
      )}
      {discreet ? (
        <Discreet
          results={results}
          companion={companion}
          settings={settings}
          onBuzz={() => signal(leading, settings)}
          onTogether={onTogether ?? onAgain}
        >
          <Whole {...props} results={results} />
        </Discreet>
      ) : (
        <>
          <Announcement key={said} results={results} companion={companion} />
          <Whole {...props} results={results} />
        </>
      )}
      {!isPart && (
        <div class="foot">
          {isNoticed && <Notice />}
          <button type="button" class="main" onClick={onAgain}>
            {words.text("page.again")}
          </button>
          {!hasHelp && <Help settings={settings} />}
        </div>
      )}
    </Root>
  );
}

/** The cards, the one that matters most first, and what can be done with them. */
function Whole(props: ResultsProps & { readonly results: readonly NumberedVerdict[] }) {
  const { results, companion, practice = false, treeSize } = props;
  const isMany = results.length > 1;
  const ask = askFor(props.verdicts, companion);
  const cards = results.map(({ number, verdict }) => (
    <VerdictCard
      key={number}
      verdict={verdict}
      number={isMany ? number : undefined}
      id={idOf(number)}
      treeSize={treeSize}
      practice={practice}
    >
      {number === results[0]?.number && ask !== "more" && <Together {...props} ask={ask} />}
    </VerdictCard>
  ));
  return (
    <>
      {isMany && <Overview results={results} companion={companion} />}
      {cards[0]}
      {companion && <Companion companion={companion} id={idOf("together")} />}
      {cards.slice(1)}
      <Next {...props} ask={ask} />
    </>
  );
}

/** Every card and their being together at a glance; each row leads to its part of the screen. */
function Overview({ results, companion }: OverviewProps) {
  const words = useWords();
  const goTo = (name: number | "together") => document.getElementById(idOf(name))?.focus();
  return (
    <ul class="overview" aria-label={words.text("phone.show.overview")}>
      {results.map(({ number, verdict }) => (
        <li key={number}>
          <button type="button" class={`look-${lookOf(verdict.state).colour}`} onClick={() => goTo(number)}>
            <ShapeOf shape={lookOf(verdict.state).shape} />
            <span>
              <span class="number">{words.text("page.card", { number })} </span>
              <span class="word">{stateWords(verdict.state, words).word}</span>
            </span>
          </button>
        </li>
      ))}
      {companion && (
        <li>
          <button type="button" class={`look-${LINK_COLOURS[companion.result]}`} onClick={() => goTo("together")}>
            <LinkShape result={companion.result} />
            <span>
              <span class="number">{words.text("page.companion")} </span>
              <span class="word">{words.text(`phone.show.companion.${companion.result}`)}</span>
            </span>
          </button>
        </li>
      )}
    </ul>
  );
}

interface OverviewProps {
  readonly results: readonly NumberedVerdict[];
  readonly companion: CompanionResult | undefined;
}

interface AskProps extends ResultsProps {
  readonly ask: ReturnType<typeof askFor>;
}

/** The card of somebody who travels with the bearer; the discreet screen has a button of its own. */
function Together({ ask, settings, onTogether }: AskProps) {
  const words = useWords();
  if (!onTogether || settings.discreet) return null;
  return (
    <button type="button" onClick={onTogether}>
      {words.text(`phone.show.together.${ask}`)}
    </button>
  );
}

/** More codes for this check: the slip of a card, one more card. */
function Next(props: AskProps) {
  const { verdicts, ask, onSlip, slipProblem } = props;
  const words = useWords();
  const hasSealed = verdicts.some(({ evidence }) => evidence && evidence.sealedCount > 0);
  const problem = slipProblem && `page.problems.${slipProblem}`;
  return (
    <div class="next">
      {slipProblem && problem && (
        <p role="status">{words.text(words.has(problem) ? problem : "page.problem")}</p>
      )}
      {onSlip && hasSealed && (
        <button type="button" onClick={onSlip}>
          {words.text("phone.show.slip")}
        </button>
      )}
      {ask === "more" && <Together {...props} />}
    </div>
  );
}

/** Word and what to do now, for a screen reader, a moment after the screen has come. */
function Announcement({ results, companion }: OverviewProps) {
  const words = useWords();
  const [isDue, setDue] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setDue(true), ANNOUNCE_MS);
    return () => window.clearTimeout(timer);
  }, []);
  const [leading] = results;
  const state = leading && tell(leading.verdict, words).state;
  return (
    <div class="unseen" role="status">
      {isDue && state && <p>{words.text("phone.show.announce", { word: state.word, now: state.now })}</p>}
      {isDue && companion && <p>{words.text(`phone.show.companion.${companion.result}`)}</p>}
    </div>
  );
}

/** The result goes soon; any touch or key keeps it, and this button is one. */
export function Notice() {
  const words = useWords();
  return (
    <div class="leaving">
      <p role="status">{words.text("phone.show.leaving.notice", { count: NOTICE_MS / 1000 })}</p>
      <button type="button">{words.text("phone.show.leaving.keep")}</button>
    </div>
  );
}

function idOf(part: number | "together"): string {
  return `result-${part}`;
}
