/**
 * The screens of a station, and what leads from one to the next.
 *
 * A check begins with the first code and ends when its result is left; the codes of a card's other side, of a companion
 * or of a slip join it. Nothing of it outlives that.
 */

import { useEffect, useReducer, useRef, useState } from "preact/hooks";
import { CodedError } from "../core/errors.ts";
import { recognise } from "../core/qr_text.ts";
import { ListsScreen } from "../keep/lists_screen.tsx";
import type { PhoneStation } from "../keep/phone_station.ts";
import type { Settings } from "../keep/settings.ts";
import { Practice } from "../practice/practice.tsx";
import { ScanScreen } from "../scan/scan_screen.tsx";
import { ResultsScreen } from "../show/results_screen.tsx";
import { unlockSound } from "../show/signals.ts";
import { useWords } from "../words/words.ts";
import { ChallengeScreen, makeNonce } from "./challenge_screen.tsx";
import { type Check, checkText, NO_CHECK, type Task } from "./check.ts";
import { FramesRead } from "./frames_read.ts";
import { SettingsScreen } from "./settings_screen.tsx";
import { takeShared } from "./shared_items.ts";
import { type Tab, Tabs } from "./tabs.tsx";
import { TopBar } from "./top_bar.tsx";

type Screen = Tab | "results" | "practice" | "ask_device";

interface StationScreensProps {
  readonly station: PhoneStation;
  readonly onSettings: (settings: Settings) => void;
}

export function StationScreens({ station, onSettings }: StationScreensProps) {
  const words = useWords();
  const [screen, setScreen] = useState<Screen>("scan");
  // Several codes of one picture are told at once, before anything is drawn again: each joins the one before it.
  const held = useRef<Check>(NO_CHECK);
  const check = held.current;
  const [notice, setNotice] = useState("");
  const frames = useRef(new FramesRead()).current;
  const [, redraw] = useReducer<number, void>((count) => count + 1, 0);
  const setCheck = (next: Check) => {
    held.current = next;
    redraw();
  };
  const { settings } = station;

  const end = (next: Screen) => {
    setCheck(NO_CHECK);
    setNotice("");
    setScreen(next);
  };
  const goOn = (task: Task) => {
    setCheck({ ...held.current, task });
    setNotice("");
    setScreen("scan");
  };
  const askDevice = () => {
    setCheck({ ...NO_CHECK, task: "device", nonce: makeNonce() });
    setScreen("ask_device");
  };
  useEffect(() => {
    // A browser may keep a page that was left as it was, for "back".
    const forget = () => end("scan");
    window.addEventListener("pagehide", forget);
    return () => window.removeEventListener("pagehide", forget);
  }, []);
  useEffect(() => {
    // Some browsers play sounds only after a touch during which the page asked for it.
    if (!settings.sound) return;
    window.addEventListener("pointerup", unlockSound);
    return () => window.removeEventListener("pointerup", unlockSound);
  }, [settings.sound]);

  useEffect(() => {
    void takeShared(station).then(({ texts, isForStation, hasUnread }) => {
      for (const text of texts) onText(text);
      if (isForStation && texts.length === 0) end("lists");
      if (hasUnread && texts.length === 0) setNotice(words.text("phone.app.refused.picture"));
    });
  }, [station]);

  const readFrame = (text: string) => {
    try {
      const received = frames.add(text);
      if (received) void station.receive(received.kind, received.message).finally(() => end("lists"));
      redraw();
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      setNotice(words.text("phone.app.refused.frame"));
    }
  };
  const onText = (text: string) => {
    if (recognise(text) === "frame") {
      readFrame(text);
      return;
    }
    const checked = checkText(held.current, text, {
      trusted: station.lists,
      nowS: Math.floor(Date.now() / 1000),
      staleAfterDays: settings.staleAfterDays,
      audience: settings.audience,
    });
    if ("refused" in checked) {
      setNotice(words.text(`phone.app.refused.${checked.refused}`));
      return;
    }
    setNotice("");
    // Nothing comes in while a result is on the screen.
    station.stopSync();
    setCheck(checked.check);
    setScreen("results");
  };

  return (
    <div class="station">
      <TopBar station={station} />
      {station.evidence.length > 0 && (
        <div class="alarm">
          <p>
            <strong>{words.text("phone.keep.fork.title")}</strong> {words.text("phone.keep.fork.meaning")}
          </p>
          {screen !== "lists" && (
            <button type="button" onClick={() => end("lists")}>
              {words.text("phone.app.tabs.lists")}
            </button>
          )}
        </div>
      )}
      <p class="notice" role="status">
        {notice}
      </p>
      {screen === "scan" && (
        <ScanScreen
          onText={onText}
          task={check.task === "card" ? undefined : words.text(`phone.app.tasks.${check.task}`)}
          progress={frames.progress}
        />
      )}
      {screen === "scan" && check.task === "card" && settings.audience !== "" && (
        <button type="button" class="quiet" onClick={askDevice}>
          {words.text("phone.app.ask_device.button")}
        </button>
      )}
      {screen === "scan" && check.verdicts.length > 0 && (
        <button type="button" onClick={() => setScreen("results")}>
          {words.text("phone.app.to_result")}
        </button>
      )}
      {screen === "ask_device" && check.nonce && (
        <ChallengeScreen
          audience={settings.audience}
          nonce={check.nonce}
          onScan={() => setScreen("scan")}
          onBack={() => end("scan")}
        />
      )}
      {screen === "results" && (
        <ResultsScreen
          verdicts={check.verdicts}
          companion={check.companion}
          settings={settings}
          onAgain={() => end("scan")}
          onTogether={() => goOn("together")}
          hasHelp
          treeSize={station.lists.length === 1 ? station.lists[0]?.treeSize : undefined}
          onSlip={check.verdicts.some(({ evidence }) => evidence?.sealedCount) ? () => goOn("slip") : undefined}
        />
      )}
      {screen === "lists" && <ListsScreen station={station} onDone={() => end("scan")} onScan={() => end("scan")} />}
      {screen === "settings" && (
        <SettingsScreen
          settings={settings}
          onSettings={onSettings}
          onPractice={() => end("practice")}
          onDone={() => end("scan")}
        />
      )}
      {screen === "practice" && <Practice settings={settings} onDone={() => end("settings")} />}
      {(screen === "scan" || screen === "lists" || screen === "settings") && <Tabs current={screen} onTab={end} />}
    </div>
  );
}
