/** Putting the page on the home screen: a button where the browser has one, a sentence where it is done by hand. */

import { useEffect, useReducer } from "preact/hooks";
import { useWords } from "../words/words.ts";

/** What Chromium gives a page that can be installed. */
interface InstallPrompt extends Event {
  prompt(): Promise<unknown>;
}

let kept: InstallPrompt | undefined;
const watchers = new Set<() => void>();

function keep(prompt: InstallPrompt | undefined): void {
  kept = prompt;
  for (const changed of watchers) changed();
}

// It comes once, soon after the page is loaded, and only a page that listens then can ask later.
globalThis.addEventListener?.("beforeinstallprompt", (event) => {
  event.preventDefault();
  keep(event as InstallPrompt);
});
globalThis.addEventListener?.("appinstalled", () => keep(undefined));

export function InstallHint() {
  const words = useWords();
  const [, redraw] = useReducer<number, void>((count) => count + 1, 0);
  useEffect(() => {
    const changed = () => redraw();
    watchers.add(changed);
    return () => void watchers.delete(changed);
  }, []);
  const isInstalled = matchMedia("(display-mode: standalone)").matches;
  if (isInstalled || (!kept && !isApplePhone())) return null;
  const install = () => {
    const prompt = kept;
    keep(undefined);
    void prompt?.prompt().catch(() => {});
  };
  return (
    <section>
      <h2>{words.text("phone.keep.install.title")}</h2>
      <p>{words.text("phone.keep.install.why")}</p>
      {kept ? (
        <button type="button" onClick={install}>
          {words.text("phone.keep.install.button")}
        </button>
      ) : (
        <p>{words.text("phone.keep.install.apple")}</p>
      )}
    </section>
  );
}

/** Apple's browsers install by the share menu and tell a page nothing of it. */
function isApplePhone(): boolean {
  return "standalone" in navigator;
}
