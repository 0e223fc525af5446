/**
 * How every runner of the tests speaks with pytest: one JSON object a line in, one a line out, in order.
 *
 *     {"form": "frames", "input": ["SCF1:..."]}   ->   {"outcome": "ok", "result": [...]}
 *
 * What is thrown is a defect, with its place, unless the runner makes an answer of it (tests/support/phone_page.py).
 */

import * as process from "node:process";
import { createInterface } from "node:readline";

/** Answer each line of the input until it ends; `run` returns the result of a form, or a promise of it. */
export async function answerLines(run: (form: string, input: any) => unknown): Promise<void> {
  await eachLine(async ({ form, input }) => {
    try {
      return { outcome: "ok", result: (await run(form, input)) ?? null };
    } catch (error) {
      return { outcome: "defect", result: error instanceof Error ? String(error.stack) : String(error) };
    }
  });
}

/** As `answerLines`, for a runner that makes the whole answer itself and throws nothing. */
export async function eachLine(answer: (question: { form: string; input: any }) => unknown): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as { form: string; input: any }))}\n`);
  }
}
