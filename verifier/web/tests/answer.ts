/** What the page's core answers to one question of a test: the outcome "ok" or a code, with field and result. */

import { CodedError } from "../src/core/errors.ts";
import { FORMATS, type Input, isVerdictCode, load } from "./formats.ts";

export interface Question {
  readonly form: string;
  readonly input: Input;
}

export interface Answer {
  readonly outcome: string;
  readonly field?: string;
  readonly result: unknown;
}

/**
 * Return the answer to a question; `load` keeps a bundle under a name for the formats that judge with one.
 *
 * Errors other than a `CodedError` are a defect: the outcome is then "defect" with what was thrown.
 */
export function answer({ form, input }: Question): Answer {
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
