/** The result for one card: what it is, what to do now, and the three questions, each with its own answer. */

import type { ComponentChildren } from "preact";
import type { Verdict } from "../core/evidence.ts";
import { Name } from "../words/isolate.tsx";
import { subtitle, tell, type Told, unsaidLines } from "../words/tell.ts";
import { useWords } from "../words/words.ts";
import { Details } from "./details.tsx";
import { lookOf } from "./looks.ts";
import { Opened } from "./opened.tsx";
import { ShapeOf } from "./shapes.tsx";

export interface VerdictCardProps {
  readonly verdict: Verdict;
  /** Its place in a check of several cards; undefined where it is the only one. */
  readonly number: number | undefined;
  readonly id: string;
  readonly treeSize: number | undefined;
  readonly practice: boolean;
  /** The next step that its answers ask for. */
  readonly children?: ComponentChildren;
}

export function VerdictCard({ verdict, number, id, treeSize, practice, children }: VerdictCardProps) {
  const words = useWords();
  const told = tell(verdict, words);
  const { evidence } = verdict;
  const hasOpened = evidence !== undefined && evidence.opened.size > 0;
  return (
    <article class={`verdict look-${lookOf(verdict.state).colour}`} aria-labelledby={id}>
      <Banner verdict={verdict} told={told} number={number} id={id} />
      <div class="now">
        <h3>{words.text("page.now")}</h3>
        <p>{told.state.now}</p>
      </div>
      {told.answers.length > 0 && <Pairs name="answers" pairs={told.answers} />}
      {children}
      <Pairs name="questions" pairs={told.questions.map(({ question, answer }) => [question, answer])} />
      <Lines told={told} sealedCount={evidence?.sealedCount ?? 0} />
      {evidence && <IssuerFacts verdict={verdict} told={told} />}
      {hasOpened && <Opened opened={evidence.opened} practice={practice} />}
      <Details verdict={verdict} treeSize={treeSize} />
    </article>
  );
}

interface BannerProps {
  readonly verdict: Verdict;
  readonly told: Told;
  readonly number: number | undefined;
  readonly id: string;
}

function Banner({ verdict, told, number, id }: BannerProps) {
  const words = useWords();
  const title = subtitle(told, words);
  return (
    <div class="banner">
      <ShapeOf shape={lookOf(verdict.state).shape} />
      <h2 id={id} tabIndex={-1}>
        {number !== undefined && <span class="number">{words.text("page.card", { number })} </span>}
        <span class="word">{told.state.word}</span>
      </h2>
      {title && <p class="title">{title}</p>}
    </div>
  );
}

/** Questions with their answers: never one tick for several of them. */
function Pairs({ name, pairs }: { readonly name: string; readonly pairs: Told["answers"] }) {
  return (
    <dl class={name}>
      {pairs.map(([question, answer]) => (
        <div key={question}>
          <dt>{question}</dt>
          <dd>{answer}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Everything else that is true: the states that do not lead, what a companion's card says, what stays closed. */
function Lines({ told, sealedCount }: { readonly told: Told; readonly sealedCount: number }) {
  const words = useWords();
  const sealed = sealedCount > 0 ? [words.text("page.sealed", { count: sealedCount })] : [];
  const lines = [...unsaidLines(told), ...(told.companion ? [told.companion] : []), ...sealed];
  if (lines.length === 0) return null;
  return (
    <ul class="lines">
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

function IssuerFacts({ verdict: { evidence }, told }: { readonly verdict: Verdict; readonly told: Told }) {
  const words = useWords();
  if (!evidence) return null;
  return (
    <dl class="facts issuer">
      <div>
        <dt>{words.text("phone.show.issuer")}</dt>
        <dd>
          <Name>{evidence.issuer.title}</Name>
        </dd>
      </div>
      <div>
        <dt>{words.text("phone.show.authority")}</dt>
        <dd>
          <Name>{evidence.issuer.authority}</Name>
        </dd>
      </div>
      <div>
        <dt>{words.text("phone.show.issued")}</dt>
        <dd>{told.issued}</dd>
      </div>
      {told.freshness && (
        <div>
          <dt>{words.text("phone.show.list")}</dt>
          <dd>{told.freshness}</dd>
        </div>
      )}
    </dl>
  );
}
