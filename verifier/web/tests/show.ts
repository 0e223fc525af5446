/**
 * Runs the pure parts of the results' room for another process: one JSON object a line in, one a line out, in order.
 *
 *     {"form": "hold", "input": {"shown_ms": 10000, "steps": ["press", 200, "release"]}}
 *         ->   {"outcome": "ok", "result": [[150, "held"], [200, "hidden"]]}
 *
 * Steps are names of methods, and numbers of milliseconds that pass.
 */

import { readFileSync } from "node:fs";
import type { CompanionResult } from "../src/core/companion.ts";
import type { Verdict } from "../src/core/evidence.ts";
import { freshnessOf } from "../src/words/freshness.ts";
import { Hold, type Timers } from "../src/show/hold.ts";
import { isAwayTooLong, Leaving } from "../src/show/leaving.ts";
import { buzzOf, leadingFirst, lookOf, pulsesOf, STATES } from "../src/show/looks.ts";
import { motifOf } from "../src/show/motifs.ts";
import { openedParts } from "../src/show/opened_parts.ts";
import { telOf } from "../src/show/phone_number.ts";
import { askFor } from "../src/show/together.ts";
import { translate, type WordsFile } from "../src/words/translate.ts";
import type { Input } from "./formats.ts";
import { answerLines } from "./lines.ts";

/** Timers that stand still until the test lets time pass. */
class Clock implements Timers {
  nowMs = 0;
  #next = 1;
  readonly #waiting = new Map<number, { readonly atMs: number; readonly call: () => void }>();

  set(call: () => void, ms: number): number {
    this.#waiting.set(this.#next, { atMs: this.nowMs + ms, call });
    return this.#next++;
  }

  clear(id: number): void {
    this.#waiting.delete(id);
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const due = [...this.#waiting].filter(([, { atMs }]) => atMs <= endMs);
      const [first] = due.sort(([, one], [, other]) => one.atMs - other.atMs);
      if (!first) break;
      this.#waiting.delete(first[0]);
      this.nowMs = first[1].atMs;
      first[1].call();
    }
    this.nowMs = endMs;
  }
}

type Steps = readonly (string | number)[];

function take(clock: Clock, machine: object, steps: Steps): void {
  for (const step of steps) {
    if (typeof step === "number") clock.pass(step);
    else (machine as Record<string, () => void>)[step]!();
  }
}

function hold({ shown_ms, steps }: Input): unknown {
  const clock = new Clock();
  const seen: unknown[] = [];
  take(clock, new Hold(clock, shown_ms, (showing) => seen.push([clock.nowMs, showing])), steps);
  return seen;
}

function leaving({ steps }: Input): unknown {
  const clock = new Clock();
  const seen: unknown[] = [];
  const machine = new Leaving(
    clock,
    (isNoticed) => seen.push([clock.nowMs, isNoticed ? "notice" : "kept"]),
    () => seen.push([clock.nowMs, "gone"]),
  );
  take(clock, machine, steps);
  return seen;
}

function looks(): unknown {
  return STATES.map((state) => {
    const { shape, colour } = lookOf(state);
    return {
      state,
      shape,
      colour,
      pulses: pulsesOf(state),
      buzz: buzzOf(state, false),
      discreet: buzzOf(state, true),
      motif: motifOf(state),
    };
  });
}

function ask({ cards, companion }: Input): unknown {
  const verdicts = cards.map(({ answers, right }: Input) => ({
    evidence: { answers: new Map(answers), companion: right ? {} : undefined },
  }));
  return askFor(verdicts as Verdict[], companion ? ({} as CompanionResult) : undefined);
}

function opened({ language, opened: parts }: Input): unknown {
  const path = new URL(`../../data/${language}.json`, import.meta.url);
  const words = translate(JSON.parse(readFileSync(path, "utf-8")) as WordsFile);
  return openedParts(new Map(Object.entries(parts)) as never, words).map(({ name, label, values, picture }) => ({
    name,
    label,
    values,
    picture: picture ? [picture.type, picture.size] : null,
  }));
}

const FORMS: ReadonlyMap<string, (input: Input) => unknown> = new Map<string, (input: Input) => unknown>([
  ["hold", hold],
  ["leaving", leaving],
  ["away", ([leftMs, backMs]: Input) => isAwayTooLong(leftMs, backMs)],
  ["looks", looks],
  ["unknown", (state: string) => ({ ...lookOf(state), pulses: pulsesOf(state), motif: motifOf(state) })],
  ["order", (states: Input) => leadingFirst(states.map((state: string) => ({ state }))).map(({ number }) => number)],
  ["ask", ask],
  ["tel", (written: string) => telOf(written) ?? null],
  ["freshness", ({ list_s, now_s, stale }: Input) => freshnessOf(list_s, now_s, stale)],
  ["opened", opened],
]);

await answerLines((form, input) => FORMS.get(form)!(input));
