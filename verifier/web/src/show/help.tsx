/** Get help: whom to call, and when. It is on every screen of a result and never goes away. */

import { useState } from "preact/hooks";
import type { Settings } from "../keep/settings.ts";
import { Name } from "../words/isolate.tsx";
import { useWords } from "../words/words.ts";
import { telOf } from "./phone_number.ts";
import "./show.css";

const PLACE_ID = "help-place";

export interface HelpProps {
  readonly settings: Pick<Settings, "helpName" | "helpPhone">;
}

/** What to do when in doubt, and the station's contact. */
export function HelpPanel({ settings: { helpName, helpPhone } }: HelpProps) {
  const words = useWords();
  const tel = telOf(helpPhone);
  return (
    <div class="help-panel">
      <p>{words.text("page.get_help")}</p>
      {helpName && (
        <p class="help-name">
          <Name>{helpName}</Name>
        </p>
      )}
      {helpPhone && !tel && (
        <p>
          <bdi>{helpPhone}</bdi>
        </p>
      )}
      {tel && (
        <a class="button main" href={tel}>
          {words.text("phone.show.help.call", { phone: helpPhone })}
        </a>
      )}
      {!helpName && !helpPhone && <p class="soft">{words.text("phone.show.help.none")}</p>}
    </div>
  );
}

/** A button that opens the panel above itself. */
export function Help({ settings }: HelpProps) {
  const words = useWords();
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <div id={PLACE_ID} class="help-place" hidden={!isOpen}>
        {isOpen && <HelpPanel settings={settings} />}
      </div>
      <button type="button" class="help-button" aria-expanded={isOpen} aria-controls={PLACE_ID} onClick={() => setOpen(!isOpen)}>
        {words.text("phone.show.help.title")}
      </button>
    </>
  );
}
