/**
 * The practice room for another process: one JSON object a line in, one a line out.
 *
 *     {"live": {"origin": ..., "charter": ..., "bundle": <hex>}, "choices": ["other", "right", ...]}
 *
 * `deck` is what the cards come to by the deck's own list, `live` what they come to by a station's; `order` has the
 * choices of each card; `steps` is the way through the drill with these choices.
 */

import * as process from "node:process";
import { createInterface } from "node:readline";
import { fromHex } from "../src/core/bytes.ts";
import { makePin } from "../src/core/pin.ts";
import { openTrustedList } from "../src/core/trusted_list.ts";
import { judge } from "../src/core/verdict.ts";
import { type Choice, choicesOf } from "../src/practice/choices.ts";
import { FORCED_CARDS, judgePractice, openDeck } from "../src/practice/deck.ts";
import { begin, choose, type Steps } from "../src/practice/steps.ts";

interface Question {
  readonly live: { readonly origin: string; readonly charter: string; readonly bundle: string };
  readonly choices: readonly Choice[];
}

function answer({ live, choices }: Question): unknown {
  const deck = openDeck();
  const station = openTrustedList(fromHex(live.bundle), makePin(live.origin, live.charter));
  const steps: Steps[] = [begin(FORCED_CARDS)];
  for (const choice of choices) steps.push(choose(steps.at(-1)!, choice));
  const judged = deck.cards.map((card) => ({ name: card.name, ...judgePractice(deck, card) }));
  return {
    forced: FORCED_CARDS,
    deck: judged.map(({ name, verdicts, companion }) => ({
      name,
      states: verdicts.map(({ state }) => state),
      companion: companion?.result ?? "",
    })),
    answers: judged.map(({ verdicts }) => verdicts.map(({ evidence }) => Object.fromEntries(evidence?.answers ?? []))),
    live: deck.cards.flatMap(({ texts, nowS }) => texts.map((text) => judge(text, [station], nowS).state)),
    order: Object.fromEntries(deck.cards.map(({ name }) => [name, choicesOf(name)])),
    steps,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(answer(JSON.parse(line) as Question))}\n`);
}
