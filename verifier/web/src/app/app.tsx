/**
 * The page: which screen is shown, and what leads from one to the next.
 *
 * There are no addresses for screens and no history: the back button of the phone, another tab or a synchronised
 * browser finds nothing of a check.
 */

import { useCallback, useEffect, useReducer, useState } from "preact/hooks";
import { ListsScreen } from "../keep/lists_screen.tsx";
import type { PhoneStation } from "../keep/phone_station.ts";
import type { Settings } from "../keep/settings.ts";
import { FirstRun } from "../practice/first_run.tsx";
import { Practice } from "../practice/practice.tsx";
import { ScanScreen } from "../scan/scan_screen.tsx";
import { ResultsScreen } from "../show/results_screen.tsx";
import { chooseLanguage, loadWords, type Words, WordsContext } from "../words/words.ts";
import { type Check, checkText, NO_CHECK } from "./check.ts";
import { SettingsScreen } from "./settings_screen.tsx";

type Screen = "scan" | "results" | "lists" | "settings" | "practice";

export function App({ station }: { readonly station: PhoneStation }) {
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  useEffect(() => station.watch(() => redraw(undefined as never)), [station]);
  const words = useLanguage(station.settings.language);
  const save = useCallback((settings: Settings) => void station.save(settings), [station]);
  if (!words) return null;
  const { settings } = station;
  const isFirst = !settings.post || !settings.practised;
  return (
    <WordsContext.Provider value={words}>
      {isFirst ? <FirstRun settings={settings} onSettings={save} /> : <Station station={station} onSettings={save} />}
    </WordsContext.Provider>
  );
}

function Station({ station, onSettings }: { readonly station: PhoneStation; readonly onSettings: (s: Settings) => void }) {
  const [screen, setScreen] = useState<Screen>("scan");
  const [check, setCheck] = useState<Check>(NO_CHECK);
  const { settings } = station;
  const policy = { staleAfterDays: settings.staleAfterDays, audience: settings.audience, nonce: undefined };
  const toScan = () => setScreen("scan");
  const again = () => {
    setCheck(NO_CHECK);
    setScreen("scan");
  };
  const onText = (text: string) => {
    setCheck(checkText(check, text, station.lists, Math.floor(Date.now() / 1000), policy));
    setScreen("results");
  };
  switch (screen) {
    case "scan":
      return <ScanScreen onText={onText} />;
    case "results":
      return (
        <ResultsScreen
          verdicts={check.verdicts}
          companion={check.companion}
          settings={settings}
          onAgain={again}
          onTogether={toScan}
        />
      );
    case "lists":
      return <ListsScreen station={station} onDone={toScan} onScan={toScan} />;
    case "settings":
      return (
        <SettingsScreen
          settings={settings}
          onSettings={onSettings}
          onPractice={() => setScreen("practice")}
          onDone={toScan}
        />
      );
    case "practice":
      return <Practice settings={settings} onDone={toScan} />;
  }
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
      setWords(loaded);
    });
    return () => {
      isWanted = false;
    };
  }, [language]);
  return words;
}
