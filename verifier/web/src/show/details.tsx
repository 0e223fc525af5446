/**
 * The evidence, for those who want it: the steps that were taken, and by which list. Nothing here is of the person,
 * and nothing here could be stored to recognise the card again but its place on the ledger, which is public.
 */

import type { ComponentChildren } from "preact";
import { dayOfSeconds } from "../core/calendar_days.ts";
import { type Evidence, stepsOf, type Verdict } from "../core/evidence.ts";
import { useWords } from "../words/words.ts";

export interface DetailsProps {
  readonly verdict: Verdict;
  /** Entries of the ledger that the list at hand has. */
  readonly treeSize: number | undefined;
}

export function Details({ verdict, treeSize }: DetailsProps) {
  const words = useWords();
  const { evidence } = verdict;
  return (
    <details class="evidence">
      <summary>{words.text("phone.show.details.title")}</summary>
      {evidence ? <Steps evidence={evidence} /> : <Ended verdict={verdict} />}
      {evidence && <Facts evidence={evidence} treeSize={treeSize} />}
    </details>
  );
}

function Steps({ evidence }: { readonly evidence: Evidence }) {
  const words = useWords();
  const questions = words.lines("phone.show.details.steps");
  return (
    <ol class="steps">
      {stepsOf(evidence).map(([number, , result]) => (
        <li key={number}>
          <span>{questions[number - 1]}</span>
          {result === "ok" ? (
            <span class="step-ok">{words.text("phone.show.details.ok")}</span>
          ) : (
            <code translate={false}>{result}</code>
          )}
        </li>
      ))}
    </ol>
  );
}

/** Where the steps ended; the code is the same in every language, for whoever reads it aloud to somebody else. */
function Ended({ verdict }: { readonly verdict: Verdict }) {
  const words = useWords();
  return (
    <dl class="facts">
      <Fact name="ended">
        <code translate={false}>{verdict.codes.join(", ")}</code>
      </Fact>
      {verdict.field && (
        <Fact name="field">
          <code translate={false}>{verdict.field}</code>
        </Fact>
      )}
      <Fact name="rest">{words.text("phone.show.details.not_finished")}</Fact>
    </dl>
  );
}

function Facts({ evidence, treeSize }: { readonly evidence: Evidence; readonly treeSize: number | undefined }) {
  const words = useWords();
  const { ledgerIndex, listTimeS, judgedS } = evidence;
  const binding = evidence.codes.includes("bad_key_binding") ? "bad" : evidence.holderBinding;
  return (
    <dl class="facts">
      <Fact name="profile">
        <code translate={false}>{evidence.vct}</code>
      </Fact>
      <Fact name="index">
        {ledgerIndex === undefined ? words.text("phone.show.details.no_index") : words.number(ledgerIndex)}
      </Fact>
      {treeSize !== undefined && <Fact name="size">{words.number(treeSize)}</Fact>}
      <Fact name="list">{words.day(dayOfSeconds(listTimeS))}</Fact>
      <Fact name="judged">{words.day(dayOfSeconds(judgedS))}</Fact>
      <Fact name="binding">{words.text(`phone.show.details.binding_${binding}`)}</Fact>
    </dl>
  );
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  const words = useWords();
  return (
    <div>
      <dt>{words.text(`phone.show.details.${name}`)}</dt>
      <dd>{children}</dd>
    </div>
  );
}
