/** One ledger: whose it is, how old its list is, how large, and what another person can compare. */

import { dayOfSeconds } from "../core/calendar_days.ts";
import { toHex } from "../core/bytes.ts";
import { freshnessOf } from "../words/freshness.ts";
import { freshnessLine } from "../words/tell.ts";
import { useWords } from "../words/words.ts";
import { AskOnce } from "./ask_once.tsx";
import { Origin } from "./origin.tsx";
import type { Ledger } from "./ledger.ts";
import type { PhoneStation } from "./phone_station.ts";
import { inGroups, sizeText } from "./sizes.ts";

/** Hex digits of a root hash that are shown first; the whole of it stands in the details. */
const ROOT_DIGITS = 16;

interface LedgerCardProps {
  readonly ledger: Ledger;
  readonly station: PhoneStation;
}

export function LedgerCard({ ledger, station }: LedgerCardProps) {
  const words = useWords();
  const { record, pin, trusted, damage } = ledger;
  return (
    <section class="ledger">
      <h2>
        <Origin origin={record.origin} />
      </h2>
      {damage && (
        <p class="warning" role="alert">
          {words.text("phone.keep.damaged")}
        </p>
      )}
      {trusted ? <ListFacts ledger={ledger} trusted={trusted} station={station} /> : !damage && <p>{words.text("phone.keep.no_list")}</p>}
      <p class="soft">{words.text(`phone.keep.source.${record.source}`)}</p>
      <details>
        <summary>{words.text("phone.keep.details")}</summary>
        <dl>
          <dt>{words.text("phone.keep.charter")}</dt>
          <dd class="hex">
            <bdi>{inGroups(toHex(pin.charterHash))}</bdi>
          </dd>
          {trusted && (
            <>
              <dt>{words.text("phone.keep.root")}</dt>
              <dd class="hex">
                <bdi>{inGroups(toHex(trusted.rootHash))}</bdi>
              </dd>
            </>
          )}
        </dl>
        <p class="soft">{words.text("phone.keep.compare_charter")}</p>
        <AskOnce
          label={words.text("phone.keep.forget")}
          question={words.text("phone.keep.forget_question", { origin: record.origin })}
          yes={words.text("phone.keep.forget_yes")}
          onYes={() => void station.forget(record.origin)}
        />
      </details>
    </section>
  );
}

interface ListFactsProps extends LedgerCardProps {
  readonly trusted: NonNullable<Ledger["trusted"]>;
}

function ListFacts({ trusted, station }: ListFactsProps) {
  const words = useWords();
  const { ageDays, freshness } = freshnessOf(trusted.nowMinS, Math.floor(Date.now() / 1000), station.settings.staleAfterDays);
  return (
    <>
      <p class={`age age-${freshness}`}>{freshnessLine(words, dayOfSeconds(trusted.nowMinS), ageDays)}</p>
      {freshness === "old" && <p>{words.text("phone.keep.old")}</p>}
      <dl class="list-facts">
        <dt>{words.text("phone.keep.issuers")}</dt>
        <dd>{words.number(trusted.issuers.size)}</dd>
        <dt>{words.text("phone.keep.list_size")}</dt>
        <dd>{sizeText(words, trusted.sizeBytes)}</dd>
        <dt>{words.text("phone.keep.entries")}</dt>
        <dd>{words.number(trusted.treeSize)}</dd>
        <dt>{words.text("phone.keep.head")}</dt>
        <dd class="hex">
          <bdi>{inGroups(toHex(trusted.rootHash).slice(0, ROOT_DIGITS))}</bdi>
        </dd>
      </dl>
    </>
  );
}
