/**
 * The practice room for another process: one JSON object in, one out.
 *
 *     {"live": {"origin": ..., "charter": ..., "bundle": <hex>}, "choices": ["other", "right", ...]}
 *
 * `deck` is what the cards come to by the deck's own list, `live` what they come to by a station's; `order` has the
 * choices of each card; `steps` is the way through the drill with these choices.
 */

import { readFileSync } from "node:fs";
import * as process from "node:process";
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

const { live, choices } = JSON.parse(readFileSync(0, "utf-8")) as Question;
const deck = openDeck();
const station = openTrustedList(fromHex(live.bundle), makePin(live.origin, live.charter));
const steps: Steps[] = [begin(FORCED_CARDS)];
for (const choice of choices) steps.push(choose(steps.at(-1)!, choice));

process.stdout.write(
  JSON.stringify({
    forced: FORCED_CARDS,
    deck: deck.cards.map((card) => {
      const { verdicts, companion } = judgePractice(deck, card);
      return { name: card.name, states: verdicts.map(({ state }) => state), companion: companion?.result ?? "" };
    }),
    answers: deck.cards.map((card) =>
      judgePractice(deck, card).verdicts.map(({ evidence }) => Object.fromEntries(evidence?.answers ?? [])),
    ),
    live: deck.cards.flatMap(({ texts, nowS }) => texts.map((text) => judge(text, [station], nowS).state)),
    order: Object.fromEntries(deck.cards.map(({ name }) => [name, choicesOf(name)])),
    steps,
  }),
);
