/**
 * Runs test vectors for another process: one JSON object a line in, one a line out, in order.
 *
 *     {"form": "base45", "input": "QED8WEX0"}   ->   {"outcome": "ok", "result": {"bytes": "6965746621"}}
 *     {"form": "base45", "input": "~"}          ->   {"outcome": "malformed", "field": "base45", "result": {}}
 *
 * `tests/vectors/README.md` describes input and result of each format; `{"form": "load", "name", "input"}` keeps a
 * bundle under a name for the formats that judge with one. `in_browser.ts` does the same in a browser.
 */

import { answer, type Question } from "./answer.ts";
import { eachLine } from "./lines.ts";

await eachLine((question) => answer(question as Question));
