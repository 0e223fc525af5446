/** What has to be known before anything else on this screen: contradictions, pins that wait, storage, a newer page. */

import { useEffect, useReducer } from "preact/hooks";
import { toHex } from "../core/bytes.ts";
import type { Pin } from "../core/pin.ts";
import { useWords } from "../words/words.ts";
import { handOut } from "./hand_out.ts";
import type { Offer } from "./outcomes.ts";
import { pageWorker } from "./page_worker.ts";
import { Origin } from "./origin.tsx";
import type { PhoneStation } from "./phone_station.ts";
import { inGroups } from "./sizes.ts";

export function Notices({ station }: { readonly station: PhoneStation }) {
  const words = useWords();
  const { evidence, offers, others, storeProblem, hasBrokenRecords } = station;
  return (
    <>
      {evidence.length > 0 && (
        <section class="alarm" role="alert">
          <h2>{words.text("phone.keep.fork.title")}</h2>
          <p>{words.text("phone.keep.fork.meaning")}</p>
          <button type="button" onClick={() => void handOut(evidence)}>
            {words.text("phone.keep.fork.hand_on", { count: evidence.length })}
          </button>
        </section>
      )}
      {others.map((pin) => (
        <OtherPin key={toHex(pin.charterHash)} pin={pin} />
      ))}
      {offers.map((offer) => (
        <OfferedPin key={`${toHex(offer.pin.charterHash)} ${offer.pin.origin}`} offer={offer} station={station} />
      ))}
      {storeProblem && (
        <p class="warning" role="status">
          {words.text(`phone.keep.store.${storeProblem}`)}
        </p>
      )}
      {hasBrokenRecords && (
        <p class="warning" role="status">
          {words.text("phone.keep.store.broken")}
        </p>
      )}
      <NewerPage />
    </>
  );
}

function OtherPin({ pin }: { readonly pin: Pin }) {
  const words = useWords();
  return (
    <section class="alarm" role="alert">
      <h2>{words.text("phone.keep.other.title")}</h2>
      <p>{words.text("phone.keep.other.meaning", { origin: pin.origin })}</p>
      <Charter pin={pin} />
    </section>
  );
}

function OfferedPin({ offer, station }: { readonly offer: Offer; readonly station: PhoneStation }) {
  const words = useWords();
  const { pin, source } = offer;
  return (
    <section class="offer">
      <h2>{words.text("phone.keep.offer.title")}</h2>
      <p>
        <Origin origin={pin.origin} />
      </p>
      <Charter pin={pin} />
      <p>{words.text(`phone.keep.offer.${source}`)}</p>
      <div class="row">
        <button type="button" class="main" onClick={() => void station.believe(pin, "taken")}>
          {words.text("phone.keep.offer.yes")}
        </button>
        <button type="button" onClick={() => station.decline(pin)}>
          {words.text("phone.keep.offer.no")}
        </button>
      </div>
    </section>
  );
}

function Charter({ pin }: { readonly pin: Pin }) {
  const words = useWords();
  return (
    <dl>
      <dt>{words.text("phone.keep.charter")}</dt>
      <dd class="hex">
        <bdi>{inGroups(toHex(pin.charterHash))}</bdi>
      </dd>
    </dl>
  );
}

/** A newer page is taken on a tap, here, where no check is on the screen. */
function NewerPage() {
  const words = useWords();
  const [, redraw] = useReducer<number, void>((count) => count + 1, 0);
  useEffect(() => pageWorker.watch(() => redraw()), []);
  if (!pageWorker.isNewerReady) return null;
  return (
    <section class="offer" role="status">
      <p>{words.text("phone.keep.newer_page")}</p>
      <button type="button" onClick={() => pageWorker.take()}>
        {words.text("phone.keep.newer_page_take")}
      </button>
    </section>
  );
}
