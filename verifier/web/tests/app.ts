/**
 * Runs the shell's pure parts for another process: one JSON object a line in, one a line out, in order.
 *
 *     {"form": "frames", "input": ["SCF1:...", "SCF1:..."]}
 *
 * `check` takes codes one after the other, as the camera reads them; a step may set the task first.
 */

import { type Check, checkText, NO_CHECK } from "../src/app/check.ts";
import { FramesRead } from "../src/app/frames_read.ts";
import { fromHex, toHex } from "../src/core/bytes.ts";
import { CodedError } from "../src/core/errors.ts";
import { type Input, lists, load } from "./formats.ts";
import { answerLines } from "./lines.ts";

function check({ bundles, now_s, audience, nonce, steps }: Input): unknown {
  const means = { trusted: lists(bundles), nowS: now_s, staleAfterDays: 7, audience };
  let at: Check = { ...NO_CHECK, nonce: nonce === null ? undefined : fromHex(nonce) };
  return steps.map(({ text, task }: Input) => {
    const checked = checkText({ ...at, task: task ?? at.task }, text, means);
    if ("refused" in checked) return { refused: checked.refused, texts: at.texts.length };
    at = checked.check;
    return {
      texts: at.texts.length,
      task: at.task,
      states: at.verdicts.map(({ state }) => state),
      opened: at.verdicts.map(({ evidence }) => [...(evidence?.opened.keys() ?? [])]),
      binding: at.verdicts.map(({ evidence }) => evidence?.holderBinding ?? null),
      companion: at.companion?.result ?? null,
      slip_problem: at.slipProblem ?? null,
    };
  });
}

function frames(texts: readonly string[]): unknown {
  const read = new FramesRead();
  return texts.map((text) => {
    try {
      const received = read.add(text);
      const { done, count } = read.progress ?? { done: 0, count: 0 };
      return received ? { kind: received.kind, message: toHex(received.message), done, count } : { done, count };
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return { code: error.code, ...(read.progress ?? { done: 0, count: 0 }) };
    }
  });
}

await answerLines((form, input) => {
  if (form === "load") load(input);
  return form === "check" ? check(input) : form === "frames" ? frames(input) : {};
});
