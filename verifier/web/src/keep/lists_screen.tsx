/** The lists at hand: how old they are, getting newer ones, handing them on, comparing heads, and removing it all. */

import type { ComponentChildren } from "preact";
import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { AnimatedCodes } from "../scan/animated.tsx";
import { useWords } from "../words/words.ts";
import { AskOnce } from "./ask_once.tsx";
import { HandOn, ShowHead, type ShownCodes } from "./hand_on.tsx";
import { InstallHint } from "./install_hint.tsx";
import "./keep.css";
import { LedgerCard } from "./ledger_card.tsx";
import { Busy, isAlarm, newsLines } from "./news.tsx";
import { Notices } from "./notices.tsx";
import type { Outcome, SyncOutcome } from "./outcomes.ts";
import { pageWorker } from "./page_worker.ts";
import type { PhoneStation } from "./phone_station.ts";
import { removeAll } from "./remove_all.ts";
import { sizeText } from "./sizes.ts";

export interface ListsProps {
  readonly station: PhoneStation;
  /** The tabs lead on from here; nothing on this screen calls it. */
  readonly onDone: () => void;
  /** Read the numbered codes of a colleague's screen with the camera. */
  readonly onScan: () => void;
}

export function ListsScreen({ station, onScan }: ListsProps) {
  const [codes, setCodes] = useState<ShownCodes>();
  const [isRemoved, setRemoved] = useState(false);
  useRedraw(station);
  // A list that comes in while a card is checked would change what the next card is judged with.
  useEffect(() => () => station.holdLists(), [station]);
  if (isRemoved) return <Removed />;
  if (codes) return <CodesView codes={codes} onBack={() => setCodes(undefined)} />;
  return (
    <Lists
      station={station}
      onScan={onScan}
      onCodes={setCodes}
      onRemove={() => void removeAll(station).then(() => setRemoved(true))}
    />
  );
}

interface ListsViewProps extends Pick<ListsProps, "station" | "onScan"> {
  readonly onCodes: (codes: ShownCodes) => void;
  readonly onRemove: () => void;
}

function Lists({ station, onScan, onCodes, onRemove }: ListsViewProps) {
  const words = useWords();
  const heading = useHeading();
  const { ledgers, activity } = station;
  const isOneOfSeveral = ledgers.length > 1;
  const update = (whole: boolean) => {
    void station.sync({ whole });
    void pageWorker.look();
  };
  return (
    <main class="screen keep">
      <h1 ref={heading} tabIndex={-1}>
        {words.text("phone.keep.title")}
      </h1>
      <News news={station.news} onWhole={() => update(true)} onDismiss={() => station.dismissNews()} />
      <Notices station={station} />
      {ledgers.length === 0 && <p>{words.text("phone.keep.none")}</p>}
      {ledgers.map((ledger) => (
        <LedgerCard key={ledger.record.origin} ledger={ledger} station={station} />
      ))}
      <Busy station={station} />
      <Part title={words.text("phone.keep.update.title")}>
        <button type="button" class="main" disabled={activity !== undefined} onClick={() => update(false)}>
          {words.text("phone.keep.update.button")}
        </button>
        <p class="soft">{words.text("phone.keep.update.used", { size: sizeText(words, station.dataUsedBytes) })}</p>
        <FileField label={words.text("phone.keep.update.file")} hint={words.text("phone.keep.update.file_hint")} station={station} />
        <button type="button" onClick={onScan}>
          {words.text("phone.keep.update.scan")}
        </button>
      </Part>
      {station.lists.length > 0 && (
        <>
          <Folded title={words.text("phone.keep.hand_on.title")}>
            {ledgers.map((ledger) => (
              <HandOn key={ledger.record.origin} {...{ ledger, isOneOfSeveral, onCodes }} />
            ))}
          </Folded>
          <Folded title={words.text("heads.page.heading")}>
            <p>{words.text("heads.page.why")}</p>
            {ledgers.map((ledger) => (
              <ShowHead key={ledger.record.origin} {...{ ledger, isOneOfSeveral, onCodes }} />
            ))}
            <button type="button" onClick={onScan}>
              {words.text("phone.keep.heads.scan")}
            </button>
            <FileField label={words.text("phone.keep.heads.read_file")} kind="head" station={station} />
          </Folded>
        </>
      )}
      <InstallHint />
      <Folded title={words.text("phone.keep.remove.title")}>
        <p>{words.text("phone.keep.remove.meaning")}</p>
        <AskOnce
          label={words.text("phone.keep.remove.button")}
          question={words.text("phone.keep.remove.question")}
          yes={words.text("phone.keep.remove.yes")}
          onYes={onRemove}
        />
      </Folded>
    </main>
  );
}

function Part({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section class="part">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** What few people need on most days. */
function Folded({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <details class="part">
      <summary>
        <h2>{title}</h2>
      </summary>
      {children}
    </details>
  );
}

interface NewsProps {
  readonly news: Outcome | undefined;
  readonly onWhole: () => void;
  readonly onDismiss: () => void;
}

/** The last outcome. The region is always there, so that a screen reader tells what changes in it. */
function News({ news, onWhole, onDismiss }: NewsProps) {
  const words = useWords();
  return (
    <div role="status">
      {news && (
        <div class={isAlarm(news) ? "news alarm" : "news"}>
          {newsLines(words, news).map((line) => (
            <p key={line}>{line}</p>
          ))}
          <div class="row">
            {news.kind === "sync" && isLeft(news) && (
              <button type="button" onClick={onWhole}>
                {words.text("phone.keep.update.whole")}
              </button>
            )}
            <button type="button" class="quiet" onClick={onDismiss}>
              {words.text("phone.keep.dismiss")}
            </button>
          </div>
        </div>
      )}
    </div>
  );
}

function isLeft({ ledgers }: SyncOutcome): boolean {
  return ledgers.some(({ leftBytes }) => leftBytes > 0);
}

/**
 * Take in several files, whose order nobody knows: what is refused is tried again as long as others are taken, such as a
 * change that goes on from another one. The last word is a refusal where one is left.
 */
async function receiveAll(station: PhoneStation, kind: string, files: readonly File[]): Promise<void> {
  let left = files;
  for (let before = left.length + 1; left.length > 0 && left.length < before; ) {
    before = left.length;
    const refused: File[] = [];
    for (const file of left) {
      if ((await station.receiveFile(kind, file)).kind === "refused") refused.push(file);
    }
    left = refused;
  }
}

interface FileFieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly station: PhoneStation;
  readonly kind?: string;
}

/** Files from the phone. What they are is told by their bytes, so nothing is left out by its name. */
function FileField({ label, hint, station, kind = "file" }: FileFieldProps) {
  const read = async (input: HTMLInputElement) => {
    const files = [...(input.files ?? [])];
    input.value = "";
    await receiveAll(station, kind, files);
  };
  // A browser's own field speaks the browser's language; the label is the button.
  return (
    <>
      <label class="button file">
        {label}
        <input type="file" multiple onChange={({ currentTarget }) => void read(currentTarget)} />
      </label>
      {hint && <p class="soft">{hint}</p>}
    </>
  );
}

function CodesView({ codes, onBack }: { readonly codes: ShownCodes; readonly onBack: () => void }) {
  const words = useWords();
  const heading = useHeading();
  return (
    <main class="screen keep">
      <h1 ref={heading} tabIndex={-1}>
        {codes.label}
      </h1>
      <p>{codes.how}</p>
      <AnimatedCodes texts={codes.texts} label={codes.label} />
      <button type="button" onClick={onBack}>
        {words.text("phone.app.back")}
      </button>
    </main>
  );
}

function Removed() {
  const words = useWords();
  const heading = useHeading();
  return (
    <main class="screen keep">
      <h1 ref={heading} tabIndex={-1}>
        {words.text("phone.keep.removed.title")}
      </h1>
      <p>{words.text("phone.keep.removed.meaning")}</p>
    </main>
  );
}

function useHeading() {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return heading;
}

function useRedraw(station: PhoneStation): void {
  const [, redraw] = useReducer<number, void>((count) => count + 1, 0);
  useEffect(() => station.watch(() => redraw()), [station]);
}
