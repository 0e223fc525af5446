/** What became of the last thing that came in, in words; and what the station is busy with. */

import { toHex } from "../core/bytes.ts";
import { useWords, type Words } from "../words/words.ts";
import type { HeadOutcome, Outcome, SyncedLedger, SyncOutcome } from "./outcomes.ts";
import type { PhoneStation } from "./phone_station.ts";
import { inGroups, sizeText } from "./sizes.ts";

const ROOT_DIGITS = 16;

/** Return the sentences of an outcome; the first is what matters. */
export function newsLines(words: Words, news: Outcome): string[] {
  switch (news.kind) {
    case "sync":
      return syncLines(words, news);
    case "head":
      return headLines(words, news);
    case "fork":
      return [words.text("phone.keep.fork.taken")];
    case "list":
      return [words.text(`phone.keep.news.list_${news.result}`, { origin: news.origin })];
    case "pin":
      return [words.text(`phone.keep.news.pin_${news.result}`, { origin: news.origin })];
    case "for_scanner":
      return [words.text("phone.keep.news.for_scanner")];
    case "refused": {
      const path = `phone.keep.refused.${news.code}_${news.field}`;
      const known = [path, `phone.keep.refused.${news.code}`].find((path) => words.has(path));
      return [words.text(known ?? "phone.keep.refused.other", { code: news.code })];
    }
  }
}

function syncLines(words: Words, { ledgers, problem, receivedBytes }: SyncOutcome): string[] {
  const used = words.text("phone.keep.news.used", { size: sizeText(words, receivedBytes) });
  const lines = ledgers.flatMap((ledger) => syncedLines(words, ledger));
  if (problem) return [words.text(`phone.keep.sync.${problem}`), ...lines, used];
  return [...(lines.length ? lines : [words.text("phone.keep.sync.nothing")]), used];
}

function syncedLines(words: Words, { origin, result, code, leftBytes }: SyncedLedger): string[] {
  const line = words.text(`phone.keep.sync.${result}`, { origin, code: code ?? "" });
  if (!leftBytes) return [line];
  return [line, words.text("phone.keep.sync.left", { size: sizeText(words, leftBytes) })];
}

function headLines(words: Words, { judged, own }: HeadOutcome): string[] {
  const root = (hash: Uint8Array) => inGroups(toHex(hash).slice(0, ROOT_DIGITS));
  const { checkpoint, relation, isCosigned } = judged;
  return [
    words.text(`heads.${relation}`),
    words.text("heads.here", { count: own.treeSize, root: root(own.rootHash) }),
    words.text("heads.there", { count: Number(checkpoint.treeSize), root: root(checkpoint.rootHash) }),
    ...(isCosigned || relation === "fork" ? [] : [words.text("heads.not_cosigned")]),
  ];
}

/** Whether an outcome is an alarm, and not only a matter of course. */
export function isAlarm(news: Outcome): boolean {
  if (news.kind === "sync") return news.ledgers.some(({ result }) => result === "fork");
  return news.kind === "fork" || (news.kind === "head" && news.judged.relation === "fork");
}

/** The busy station: what it does, how far it is, and a way to end it. */
export function Busy({ station }: { readonly station: PhoneStation }) {
  const words = useWords();
  const { activity } = station;
  // The region is there before its text, so that a screen reader hears it.
  return (
    <div class="busy">
      <p role="status">{activity && words.text(`phone.keep.busy.${activity.step}`)}</p>
      {activity && (
        <>
          <progress
            aria-label={words.text(`phone.keep.busy.${activity.step}`)}
            max={activity.totalBytes}
            value={activity.totalBytes === undefined ? undefined : activity.receivedBytes}
          />
          {activity.receivedBytes > 0 && (
            <p class="soft">
              {activity.totalBytes === undefined
                ? sizeText(words, activity.receivedBytes)
                : words.text("phone.keep.busy.of", {
                    done: sizeText(words, activity.receivedBytes),
                    all: sizeText(words, activity.totalBytes),
                  })}
            </p>
          )}
          {station.isSyncing && (
            <button type="button" onClick={() => station.stopSync()}>
              {words.text("phone.keep.busy.stop")}
            </button>
          )}
        </>
      )}
    </div>
  );
}
