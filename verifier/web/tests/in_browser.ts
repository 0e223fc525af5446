/**
 * The page's core for tests in a browser: `answerAll` of the window takes questions and gives answers, as lines of JSON.
 *
 * No part of the page: `bundle.ts` makes one file of it, in a folder of the test.
 */

import { answer, type Question } from "./answer.ts";

declare global {
  interface Window {
    answerAll: (lines: readonly string[]) => string[];
  }
}

window.answerAll = (lines) => lines.map((line) => JSON.stringify(answer(JSON.parse(line) as Question)));
