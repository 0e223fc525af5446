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
import { NOTICE_MS, QUIET_MS } from "../show/leaving.ts";
import { Notice, ResultsScreen } from "../show/results_screen.tsx";
import { unlockSound } from "../show/signals.ts";
import { useLeaving } from "../show/use_leaving.ts";
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
  // As what comes later, such as the codes of a shared photo, finds it.
  const shown = useRef<Screen>(screen);
  shown.current = screen;
  // Another visit has another camera's screen: nothing that is read for the one before comes to this one.
  const [visit, nextVisit] = useReducer<number, void>((count) => count + 1, 0);
  // Several codes of one picture are told at once, before anything is drawn again: each joins the one before it.
  const held = useRef<Check>(NO_CHECK);
  const check = held.current;
  const [notice, setNotice] = useState("");
  const frames = useRef(new FramesRead()).current;
  const [, redraw] = useReducer<number, void>((count) => count + 1, 0);
  const defect = useRef<{ readonly error: unknown } | undefined>(undefined);
  // Thrown while drawing, where it ends the check and is said (app.tsx); a handler's own error would be seen by nobody.
  if (defect.current) throw defect.current.error;
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
    // All devices of one check answer the same nonce, which is as old as the check.
    setCheck({ ...held.current, task: "device", nonce: held.current.nonce ?? makeNonce() });
    setNotice("");
    setScreen("ask_device");
  };
  useEffect(() => {
    // A browser may keep a page that was left as it was, for "back".
    const forget = () => {
      end("scan");
      nextVisit();
    };
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
      // Whoever has begun something else by now is not interrupted, and no card joins the check of another.
      if (held.current !== NO_CHECK || shown.current !== "scan") return;
      for (const text of texts) read(text);
      if (isForStation && texts.length === 0) end("lists");
      if (hasUnread && texts.length === 0) setNotice(words.text("phone.app.refused.picture"));
    });
  }, [station]);

  const readFrame = (text: string) => {
    if (held.current !== NO_CHECK) {
      // A list that came in now would change what the next card of this check is judged by.
      setNotice(words.text("looks_like", { kind: words.text("kinds.frame") }));
      return;
    }
    try {
      const received = frames.add(text);
      redraw();
      if (!received) return;
      // The camera rests while the message is verified, so that no card is read meanwhile.
      end("lists");
      void station.receive(received.kind, received.message);
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
    // Nothing comes in while a result is on the screen, but for the first list where there is none.
    station.holdLists();
    setCheck(checked.check);
    setScreen("results");
  };
  const read = (text: string) => {
    try {
      onText(text);
    } catch (error) {
      defect.current = { error };
      redraw();
    }
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
          key={visit}
          onText={read}
          task={check.task === "card" ? undefined : words.text(`phone.app.tasks.${check.task}`)}
          progress={frames.progress}
        />
      )}
      {screen === "scan" && isAskable(check) && settings.audience !== "" && (
        <button type="button" class="quiet" onClick={askDevice}>
          {words.text("phone.app.ask_device.button")}
        </button>
      )}
      {(screen === "scan" || screen === "ask_device") && check !== NO_CHECK && <Pending onGone={() => end("scan")} />}
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
          onBack={() => (check.verdicts.length > 0 ? goOn("together") : end("scan"))}
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
          treeSize={check.treeSize}
          slipProblem={check.slipProblem}
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

/** How long the page may be away while a check waits for its next code: a photo is taken in another app. */
const PENDING_AWAY_MS = QUIET_MS + NOTICE_MS;

/** A check that waits for its next code goes by itself like a result, which it leads back to. */
function Pending({ onGone }: { readonly onGone: () => void }) {
  const { isNoticed } = useLeaving(onGone, false, PENDING_AWAY_MS);
  return isNoticed ? <Notice /> : null;
}

/** Whether a device may be asked: for the first card, once more, or for a further one where none has answered without a nonce. */
function isAskable({ task, nonce, verdicts }: Check): boolean {
  if (task !== "together") return task !== "slip";
  return nonce !== undefined || verdicts.every(({ evidence }) => evidence?.holderBinding !== "key");
}
