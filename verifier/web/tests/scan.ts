/**
 * Runs the scanner's pure parts for another process: one JSON object a line in, one a line out, in order.
 *
 *     {"form": "hint", "input": {"ms": 4000, "means": {"torch": "off", "isZoomable": false}}}
 *
 * `tell` takes what a camera saw, each with its time; `resume` says that the camera is on again.
 */

import { fromHex } from "../src/core/bytes.ts";
import { problemOf } from "../src/scan/camera.ts";
import { codeOf, correctionOf, pixelsFor } from "../src/scan/code_picture.ts";
import { attemptAt, partOf, visiblePart } from "../src/scan/crop_plan.ts";
import { hintAt } from "../src/scan/hints.ts";
import { pictureSize } from "../src/scan/picture_size.ts";
import { Teller } from "../src/scan/telling.ts";
import { linesOf } from "../src/scan/typed_text.ts";
import type { Input } from "./formats.ts";
import { answerLines } from "./lines.ts";

function tell(steps: Input): unknown {
  const teller = new Teller(7);
  return steps.map(({ texts, ms }: Input) => {
    if (!texts) return teller.resume(ms);
    const { told, isOurs, foreign } = teller.see(texts, ms);
    return { told, is_ours: isOurs, foreign: foreign ?? null };
  });
}

const FORMS: Readonly<Record<string, (input: Input) => unknown>> = {
  tell,
  hint: ({ ms, means }) => hintAt(ms, means) ?? null,
  attempts: ({ count, is_slow }) => Array.from({ length: count }, (_, number) => attemptAt(number, is_slow)),
  visible: ({ picture, box }) => visiblePart(picture, box),
  part: ({ part, picture, visible }) => partOf(part, picture, visible),
  lines: (text) => linesOf(text),
  problem: (name) => problemOf(name),
  picture_size: (hex) => pictureSize(fromHex(hex)),
  code: (text) => {
    const { side, squares } = codeOf(text);
    return { side, squares: squares.join(""), correction: correctionOf(text) };
  },
  pixels: ({ side, width, ratio }) => pixelsFor(side, width, ratio),
};

await answerLines((form, input) => {
  const run = FORMS[form];
  if (!run) throw new Error(`unknown form ${form}`);
  return run(input);
});
