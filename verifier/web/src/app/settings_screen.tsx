/** The station's settings. Whatever is changed is saved at once; there is nothing to confirm and nothing to lose. */

import { useState } from "preact/hooks";
import packageFile from "../../package.json" with { type: "json" };
import { AUD_MAX_BYTES } from "../core/challenge.ts";
import { encodeUtf8 } from "../core/bytes.ts";
import { UNSEEN } from "../core/fields.ts";
import { type Post, type Settings, settingsOfPost } from "../keep/settings.ts";
import { Field, HelpFields, TextField } from "../practice/fields.tsx";
import { POSTS } from "../practice/first_run.tsx";
import { Heading } from "../practice/heading.tsx";
import { LanguagePicker } from "../words/language_picker.tsx";
import { ReviewNotice } from "../words/review_notice.tsx";
import { useWords } from "../words/words.ts";
import { SignalsPart } from "./settings_signals.tsx";
import "./settings.css";

export interface SettingsProps {
  readonly settings: Settings;
  readonly onSettings: (settings: Settings) => void;
  readonly onPractice: () => void;
  readonly onDone: () => void;
}

/** From how many days on a list may count as old. */
const STALE_DAYS: readonly number[] = [1, 2, 3, 5, 7, 10, 14, 21, 30];

export function SettingsScreen({ settings, onSettings, onPractice, onDone }: SettingsProps) {
  const words = useWords();
  // What is typed stands here at once, whatever the disk takes to have it.
  const [draft, setDraft] = useState(settings);
  const change = (next: Settings) => {
    setDraft(next);
    onSettings(next);
  };
  return (
    <main class="screen settings">
      <Heading screen="settings">{words.text("phone.settings.title")}</Heading>
      <p class="soft">{words.text("phone.settings.saved")}</p>
      <LanguagePicker onLanguage={(language) => change({ ...draft, language })} />
      <ReviewNotice />
      <StationPart draft={draft} change={change} />
      <SignalsPart draft={draft} change={change} />
      <section>
        <h2>{words.text("phone.settings.help")}</h2>
        <HelpFields settings={draft} onSettings={change} />
      </section>
      <section>
        <h2>{words.text("phone.practice.title")}</h2>
        <button type="button" onClick={onPractice}>
          {words.text("phone.settings.practise")}
        </button>
      </section>
      <AboutPart />
      <button type="button" class="main" onClick={onDone}>
        {words.text("phone.settings.done")}
      </button>
    </main>
  );
}

/** A part of the settings: what they are, and what they become. */
export interface PartProps {
  readonly draft: Settings;
  readonly change: (settings: Settings) => void;
}

/** Where the station stands, what it is called, and when its list counts as old. */
function StationPart({ draft, change }: PartProps) {
  const words = useWords();
  const days = STALE_DAYS.includes(draft.staleAfterDays)
    ? STALE_DAYS
    : [...STALE_DAYS, draft.staleAfterDays].sort((one, other) => one - other);
  return (
    <section>
      <h2>{words.text("phone.settings.station")}</h2>
      <Field label={words.text("phone.settings.post")} hint={words.text("phone.settings.post_hint")}>
        {(names) => (
          <select
            {...names}
            value={draft.post}
            onChange={(event) => change(settingsOfPost(draft, event.currentTarget.value as Post))}
          >
            {POSTS.map((post) => (
              <option value={post} key={post}>
                {words.text(`phone.settings.posts.${post}`)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={words.text("phone.settings.stale")} hint={words.text("phone.settings.stale_hint")}>
        {(names) => (
          <select
            {...names}
            value={draft.staleAfterDays}
            onChange={(event) => change({ ...draft, staleAfterDays: Number(event.currentTarget.value) })}
          >
            {days.map((count) => (
              <option value={count} key={count}>
                {words.text("phone.settings.days", { count })}
              </option>
            ))}
          </select>
        )}
      </Field>
      <AudienceField draft={draft} change={change} />
    </section>
  );
}

/** The station's name, as a holder's phone must answer it; what is no name is said to be none, and not saved. */
function AudienceField({ draft, change }: PartProps) {
  const words = useWords();
  const [typed, setTyped] = useState(draft.audience);
  const onValue = (text: string) => {
    setTyped(text);
    if (isAudience(text)) change({ ...draft, audience: text });
  };
  return (
    <TextField
      label={words.text("phone.settings.audience")}
      hint={words.text("phone.settings.audience_hint")}
      problem={isAudience(typed) ? undefined : words.text("phone.settings.audience_problem")}
      value={typed}
      maxLength={AUD_MAX_BYTES}
      onValue={onValue}
    />
  );
}

/** As `formatChallenge` asks, or empty for a station that accepts no key binding. */
function isAudience(text: string): boolean {
  return !UNSEEN.test(text) && encodeUtf8(text).length <= AUD_MAX_BYTES;
}

function AboutPart() {
  const words = useWords();
  const { version, license } = packageFile;
  return (
    <section>
      <h2>{words.text("phone.settings.about")}</h2>
      <p>{words.text("phone.settings.about_version", { version, licence: license })}</p>
      <p>{words.text("phone.settings.about_keeps")}</p>
      <p>{words.text("phone.settings.about_proves")}</p>
    </section>
  );
}
