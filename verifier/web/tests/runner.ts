/**
 * Runs test vectors for another process: one JSON object a line in, one a line out, in order.
 *
 *     {"form": "base45", "input": "QED8WEX0"}   ->   {"outcome": "ok", "result": {"bytes": "6965746621"}}
 *     {"form": "base45", "input": "~"}          ->   {"outcome": "malformed", "field": "base45", "result": {}}
 *
 * `tests/vectors/README.md` describes input and result of each format; `{"form": "load", "name", "input"}` keeps a
 * bundle under a name for the formats that judge with one. Errors other than a `CodedError` are a defect: the outcome is
 * then "defect" with what was thrown.
 */

import * as process from "node:process";
import { createInterface } from "node:readline";
import { CodedError } from "../src/core/errors.ts";
import { FORMATS, type Input, isVerdictCode, load } from "./formats.ts";

interface Answer {
  readonly outcome: string;
  readonly field?: string;
  readonly result: unknown;
}

function run(form: string, input: Input): Answer {
  try {
    if (form === "load") {
      load(input);
      return { outcome: "ok", result: {} };
    }
    const format = FORMATS.get(form);
    if (!format) return { outcome: "defect", result: `unknown format ${form}` };
    const result = format(input);
    // A verdict on a card that cannot be judged genuine is the code that ended the steps.
    if (isVerdictCode(result)) return { outcome: result.code, field: result.field, result: { state: result.state } };
    return { outcome: "ok", result };
  } catch (error) {
    if (error instanceof CodedError) return { outcome: error.code, field: error.field, result: {} };
    return { outcome: "defect", result: error instanceof Error ? String(error.stack) : String(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { form, input } = JSON.parse(line) as { form: string; input: Input };
  process.stdout.write(`${JSON.stringify(run(form, input))}\n`);
}
