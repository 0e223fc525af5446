/**
 * The first run: three screens, then five practice cards; nothing else is reached before.
 *
 * Nine actions at most: two screens, the post, five cards, the start. What is chosen is saved at once, so that a phone
 * that is switched off in the middle goes on where the settings say.
 */

import { useState } from "preact/hooks";
import { type Post, type Settings, settingsOfPost } from "../keep/settings.ts";
import { LanguagePicker } from "../words/language_picker.tsx";
import { ReviewNotice } from "../words/review_notice.tsx";
import { useWords } from "../words/words.ts";
import { Drill } from "./drill.tsx";
import { Heading } from "./heading.tsx";
import { HelpFields } from "./fields.tsx";
import { CardAndPerson, NothingKept, PostPicture } from "./pictures.tsx";
import "./practice.css";

export const POSTS: readonly Post[] = ["border", "shelter", "desk"];

export interface FirstRunProps {
  readonly settings: Settings;
  readonly onSettings: (settings: Settings) => void;
}

type Page = "proves" | "privacy" | "station";

/** Shown until `settings.post` is set and `settings.practised` is true. */
export function FirstRun({ settings, onSettings }: FirstRunProps) {
  const words = useWords();
  // Undefined at first: whoever listens to a page begins at its top, with the language.
  const [page, setPage] = useState<Page>();
  if (settings.post) {
    const onDone = () => onSettings({ ...settings, practised: true });
    return <Drill settings={settings} onLabel={words.text("phone.practice.start")} onDone={onDone} />;
  }
  switch (page) {
    case undefined:
    case "proves":
      return <ProvesPage {...{ settings, onSettings }} isFirst={!page} onNext={() => setPage("privacy")} />;
    case "privacy":
      return <PrivacyPage onNext={() => setPage("station")} onBack={() => setPage("proves")} />;
    case "station":
      return <StationPage settings={settings} onSettings={onSettings} onBack={() => setPage("privacy")} />;
  }
}

interface ProvesProps extends FirstRunProps {
  /** Whether nothing was shown before. */
  readonly isFirst: boolean;
  readonly onNext: () => void;
}

/** Screen 1: what a check proves and what not, in the language that is chosen here. */
function ProvesPage({ settings, onSettings, isFirst, onNext }: ProvesProps) {
  const words = useWords();
  const path = "phone.practice.proves";
  return (
    <main class="screen lesson">
      <LanguagePicker onLanguage={(language) => onSettings({ ...settings, language })} />
      <ReviewNotice />
      <Top step={1} />
      <CardAndPerson />
      <Heading screen="proves" isQuiet={isFirst}>{words.text(`${path}.title`)}</Heading>
      <h2>{words.text(`${path}.can`)}</h2>
      <Points lines={words.lines(`${path}.can_lines`)} mark="yes" />
      <h2>{words.text(`${path}.cannot`)}</h2>
      <Points lines={words.lines(`${path}.cannot_lines`)} mark="no" />
      <p class="lesson-key">{words.text(`${path}.against`)}</p>
      <Foot onNext={onNext} />
    </main>
  );
}

/** Screen 2: nothing is kept, and nothing is to be kept. */
function PrivacyPage({ onNext, onBack }: { readonly onNext: () => void; readonly onBack: () => void }) {
  const words = useWords();
  const path = "phone.practice.privacy";
  return (
    <main class="screen lesson">
      <Top step={2} onBack={onBack} />
      <NothingKept />
      <Heading screen="privacy">{words.text(`${path}.title`)}</Heading>
      <Points lines={words.lines(`${path}.lines`)} mark="dot" />
      <Foot onNext={onNext} />
    </main>
  );
}

/** Screen 3: the post is the choice and the next step; whom to call may be said before. */
function StationPage({ settings, onSettings, onBack }: FirstRunProps & { readonly onBack: () => void }) {
  const words = useWords();
  const [help, setHelp] = useState(settings);
  const path = "phone.practice.station";
  const choose = (post: Post) =>
    onSettings({ ...settingsOfPost(settings, post), helpName: help.helpName, helpPhone: help.helpPhone });
  return (
    <main class="screen lesson">
      <Top step={3} onBack={onBack} />
      <Heading screen="station">{words.text(`${path}.title`)}</Heading>
      <p>{words.text(`${path}.lead`)}</p>
      <details class="lesson-help">
        <summary>{words.text(`${path}.help`)}</summary>
        <HelpFields settings={help} onSettings={setHelp} />
      </details>
      <div class="lesson-posts">
        {POSTS.map((post) => (
          <button type="button" class="lesson-post" key={post} onClick={() => choose(post)}>
            <PostPicture post={post} />
            <span>
              <strong>{words.text(`phone.settings.posts.${post}`)}</strong>
              <span class="lesson-post-line">{words.text(`${path}.posts.${post}`)}</span>
            </span>
          </button>
        ))}
      </div>
    </main>
  );
}

/** The line at the top: where one is, and the way back. */
function Top({ step, onBack }: { readonly step: number; readonly onBack?: () => void }) {
  const words = useWords();
  return (
    <p class="lesson-top">
      {onBack && (
        <button type="button" class="quiet" onClick={onBack}>
          {words.text("phone.practice.back")}
        </button>
      )}
      <span class="soft">{words.text("phone.practice.step", { number: step, count: 3 })}</span>
    </p>
  );
}

/** The way on, which stays at the lower edge however long the text is. */
function Foot({ onNext }: { readonly onNext: () => void }) {
  const words = useWords();
  return (
    <div class="lesson-foot">
      <button type="button" class="main" onClick={onNext}>
        {words.text("phone.practice.next")}
      </button>
    </div>
  );
}

function Points({ lines, mark }: { readonly lines: readonly string[]; readonly mark: "yes" | "no" | "dot" }) {
  return (
    <ul class={`lesson-points ${mark}`}>
      {lines.map((line) => (
        <li>{line}</li>
      ))}
    </ul>
  );
}
