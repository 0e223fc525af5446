/**
 * The page: its language, the first run before anything else, and the station behind it.
 *
 * There are no addresses for screens and no history: the back button of the phone, another tab or a synchronised
 * browser finds nothing of a check.
 */

import { useCallback, useEffect, useErrorBoundary, useReducer, useState } from "preact/hooks";
import type { PhoneStation } from "../keep/phone_station.ts";
import type { Settings } from "../keep/settings.ts";
import { FirstRun } from "../practice/first_run.tsx";
import { chooseLanguage, loadWords, useWords, type Words, WordsContext } from "../words/words.ts";
import { leaveByKeyboard } from "./leave.ts";
import { StationScreens } from "./station_screens.tsx";
import { LeaveBar } from "./top_bar.tsx";

export function App({ station }: { readonly station: PhoneStation }) {
  const [, redraw] = useReducer<number, void>((count) => count + 1, 0);
  useEffect(() => station.watch(() => redraw()), [station]);
  useEffect(leaveByKeyboard, []);
  const words = useLanguage(station.settings.language);
  const save = useCallback((settings: Settings) => void station.save(settings), [station]);
  if (!words) return null;
  const { settings } = station;
  const isFirst = !settings.post || !settings.practised;
  return (
    <WordsContext.Provider value={words}>
      <Caught>
        {isFirst ? (
          <>
            <LeaveBar />
            <FirstRun settings={settings} onSettings={save} />
          </>
        ) : (
          <StationScreens station={station} onSettings={save} />
        )}
      </Caught>
    </WordsContext.Provider>
  );
}

/** A defect of the page is said to be one, and is never taken for a verdict on a card. */
function Caught({ children }: { readonly children: preact.ComponentChildren }) {
  const words = useWords();
  const [error, reset] = useErrorBoundary();
  if (error === undefined) return <>{children}</>;
  return (
    <>
      <LeaveBar />
      <main class="screen">
        <div role="alert">
          <h1>{words.text("phone.app.defect.title")}</h1>
          <p>{words.text("phone.app.defect.meaning")}</p>
        </div>
        <button type="button" class="main" onClick={reset}>
          {words.text("phone.app.defect.again")}
        </button>
      </main>
    </>
  );
}

/** The words of a language, and the page's own language and direction; undefined while they are loaded. */
function useLanguage(language: string): Words | undefined {
  const [words, setWords] = useState<Words>();
  useEffect(() => {
    let isWanted = true;
    void loadWords(language || chooseLanguage(navigator.languages)).then((loaded) => {
      if (!isWanted) return;
      document.documentElement.lang = loaded.language;
      document.documentElement.dir = loaded.direction;
      document.documentElement.dataset["digits"] = loaded.digits;
      document.title = loaded.text("phone.app.title");
      setWords(loaded);
    });
    return () => {
      isWanted = false;
    };
  }, [language]);
  return words;
}
