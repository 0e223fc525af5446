/** The drill: a practice card, its result as it is on a real day, and what to do about it. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Settings } from "../keep/settings.ts";
import { ResultsScreen } from "../show/results_screen.tsx";
import { useWords } from "../words/words.ts";
import { type Choice, choicesOf } from "./choices.ts";
import { type Deck, FORCED_CARDS, judgePractice, openDeck, type PracticeCard } from "./deck.ts";
import { Heading } from "./heading.tsx";
import { begin, choose } from "./steps.ts";
import "./practice.css";

export interface DrillProps {
  readonly settings: Settings;
  /** What the last button says: what comes after the drill. */
  readonly onLabel: string;
  readonly onDone: () => void;
  /** Leave in the middle; undefined where the drill must be passed. */
  readonly onLeave?: (() => void) | undefined;
}

export function Drill({ settings, onLabel, onDone, onLeave }: DrillProps) {
  const words = useWords();
  const deck = useMemo(openDeck, []);
  const [steps, setSteps] = useState(() => begin(FORCED_CARDS));
  const passed = steps.passed === undefined ? undefined : deck.cards[steps.passed];
  // One live region for all cards: what is said of the card before is heard while the next one appears.
  const told = (
    <p class="lesson-told" role="status">
      {passed && words.text(`phone.practice.cards.${passed.name}.right_why`)}
    </p>
  );
  if (steps.isOver) {
    const hasMore = steps.count < deck.cards.length;
    const onMore = () => setSteps(begin(deck.cards.length - steps.count, steps.count));
    return (
      <main class="screen lesson">
        <Heading screen="over">{words.text("phone.practice.over")}</Heading>
        {told}
        <ul class="lesson-points">
          {words.lines("phone.practice.remember").map((line) => (
            <li>{line}</li>
          ))}
          {settings.discreet && <li>{words.text("phone.practice.remember_discreet")}</li>}
        </ul>
        {hasMore && (
          <button type="button" onClick={onMore}>
            {words.text("phone.practice.more")}
          </button>
        )}
        <div class="lesson-foot">
          <button type="button" class="main" onClick={onDone}>
            {onLabel}
          </button>
        </div>
      </main>
    );
  }
  const card = deck.cards[steps.card]!;
  const isForced = steps.card < FORCED_CARDS;
  const values = { number: steps.card + 1, count: FORCED_CARDS };
  return (
    <main class="screen lesson">
      <Heading screen={steps.card}>
        {isForced ? words.text("phone.practice.card", values) : words.text("phone.practice.further_card")}
      </Heading>
      {told}
      <p>{words.text(`phone.practice.cards.${card.name}.story`)}</p>
      <p class="soft">{words.text("phone.practice.lead")}</p>
      <Shown deck={deck} card={card} settings={settings} />
      <Question card={card} wrong={steps.wrong} onChoice={(choice) => setSteps(choose(steps, choice))} />
      {onLeave && (
        <button type="button" class="quiet" onClick={onLeave}>
          {words.text("phone.practice.leave")}
        </button>
      )}
    </main>
  );
}

/** The result; shown openly also where the station is discreet, since here the results themselves are to be learnt. */
function Shown({ deck, card, settings }: { readonly deck: Deck; readonly card: PracticeCard; readonly settings: Settings }) {
  const { verdicts, companion } = useMemo(() => judgePractice(deck, card), [deck, card]);
  return (
    <div class="lesson-shown">
      <ResultsScreen
        key={card.name}
        verdicts={verdicts}
        companion={companion}
        settings={{ ...settings, discreet: false }}
        treeSize={deck.list.treeSize}
        practice
        isPart
        onAgain={nothing}
      />
    </div>
  );
}

interface QuestionProps {
  readonly card: PracticeCard;
  readonly wrong: Choice | undefined;
  readonly onChoice: (choice: Choice) => void;
}

function Question({ card, wrong, onChoice }: QuestionProps) {
  const words = useWords();
  const path = `phone.practice.cards.${card.name}`;
  const said = useRef<HTMLDivElement>(null);
  // Below the choices, so that none moves under a finger.
  useEffect(() => {
    if (wrong) said.current?.scrollIntoView({ block: "nearest" });
  }, [wrong]);
  return (
    <section class="lesson-question" aria-labelledby="lesson-question">
      <h2 id="lesson-question">{words.text("phone.practice.question")}</h2>
      {choicesOf(card.name).map((choice) => (
        <button type="button" class="lesson-choice" key={choice} onClick={() => onChoice(choice)}>
          {words.text(`${path}.${choice}`)}
        </button>
      ))}
      <div role="status" ref={said}>
        {wrong && (
          <p class="lesson-wrong" key={wrong}>
            <strong>{words.text("phone.practice.once_more")}</strong> {words.text(`${path}.${wrong}_why`)}
          </p>
        )}
      </div>
    </section>
  );
}

function nothing(): void {}
