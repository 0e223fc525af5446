/** The head of every screen: how old the list is, help, and the way out. Always there, always in one place. */

import type { PhoneStation } from "../keep/phone_station.ts";
import { FreshnessChip } from "../show/freshness_chip.tsx";
import { useWords } from "../words/words.ts";
import { leave } from "./leave.ts";

interface TopBarProps {
  readonly station: PhoneStation;
  readonly onLists: () => void;
  readonly onHelp: () => void;
}

export function TopBar({ station, onLists, onHelp }: TopBarProps) {
  const words = useWords();
  return (
    <header class="top-bar">
      <button type="button" class="quiet chip" onClick={onLists}>
        <FreshnessChip lists={station.lists} staleAfterDays={station.settings.staleAfterDays} />
      </button>
      <button type="button" class="quiet" onClick={onHelp}>
        {words.text("phone.app.help")}
      </button>
      <button type="button" class="quiet" onClick={leave} title={words.text("phone.app.leave_hint")}>
        {words.text("phone.app.leave")}
      </button>
    </header>
  );
}
