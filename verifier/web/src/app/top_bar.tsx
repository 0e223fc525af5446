/** The head of every screen: how old the list is, help, and the way out. Always there, always in one place. */

import { useId, useState } from "preact/hooks";
import type { PhoneStation } from "../keep/phone_station.ts";
import { FreshnessChip } from "../show/freshness_chip.tsx";
import { HelpPanel } from "../show/help.tsx";
import { useWords } from "../words/words.ts";
import { leave } from "./leave.ts";

export function TopBar({ station }: { readonly station: PhoneStation }) {
  const words = useWords();
  const id = useId();
  const [isHelping, setHelping] = useState(false);
  const { settings } = station;
  return (
    <header class="top-bar">
      <div class="top-row">
        <div class="top-chips">
          <FreshnessChip lists={station.lists} staleAfterDays={settings.staleAfterDays} />
        </div>
        <button
          type="button"
          class="quiet"
          aria-expanded={isHelping}
          aria-controls={id}
          onClick={() => setHelping(!isHelping)}
        >
          {words.text("phone.app.help")}
        </button>
        <LeaveButton />
      </div>
      <div id={id}>{isHelping && <HelpPanel settings={settings} />}</div>
    </header>
  );
}

/** The way out alone, for the screens that come before a station, or where one has failed. */
export function LeaveBar() {
  return (
    <header class="top-bar way-out">
      <div class="top-row">
        <LeaveButton />
      </div>
    </header>
  );
}

function LeaveButton() {
  const words = useWords();
  return (
    <button type="button" class="quiet" onClick={leave} title={words.text("phone.app.leave_hint")}>
      {words.text("phone.app.leave")}
    </button>
  );
}
