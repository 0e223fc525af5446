/** `Leaving` in a screen: what counts as use, and what happens when the page is hidden. */

import { useEffect, useRef, useState } from "preact/hooks";
import { AWAY_MS, isAwayTooLong, Leaving } from "./leaving.ts";
import { PAGE_TIMERS } from "./use_hold.ts";

/** Not scrolling itself: a screen that is laid out anew scrolls by itself. */
const USES = ["pointerdown", "click", "keydown", "focusin", "wheel", "touchmove"] as const;

export interface LeavingState {
  /** The result goes soon, and the screen says so. */
  readonly isNoticed: boolean;
  /** The page is not seen: nothing of the result may be in it. */
  readonly isCovered: boolean;
}

/**
 * Call `gone` when the result has to go; never where `isKept`, such as for a practice card. `awayMs` is how long the
 * page may be hidden.
 */
export function useLeaving(gone: () => void, isKept: boolean, awayMs = AWAY_MS): LeavingState {
  const [isNoticed, setNoticed] = useState(false);
  const [isCovered, setCovered] = useState(false);
  const latest = useRef(gone);
  latest.current = gone;
  useEffect(() => {
    if (isKept) return;
    let isOver = false;
    let leftMs: number | undefined;
    let timer: number | undefined;
    const go = () => {
      if (isOver) return;
      isOver = true;
      setCovered(true);
      latest.current();
    };
    const leaving = new Leaving(PAGE_TIMERS, setNoticed, go);
    const use = () => leaving.used();
    const hide = () => {
      leftMs ??= Date.now();
      timer ??= PAGE_TIMERS.set(go, awayMs);
      setCovered(true);
    };
    const show = () => {
      if (timer !== undefined) PAGE_TIMERS.clear(timer);
      timer = undefined;
      // Timers stand still in a phone that sleeps, so the clock is asked as well.
      if (leftMs !== undefined && isAwayTooLong(leftMs, Date.now(), awayMs)) go();
      leftMs = undefined;
      if (!isOver) setCovered(false);
    };
    const see = () => (document.visibilityState === "hidden" ? hide() : show());
    leaving.used();
    // What was read while nobody sees the page is no more to be seen than what was there before.
    if (document.visibilityState === "hidden") hide();
    for (const name of USES) document.addEventListener(name, use, { capture: true, passive: true });
    document.addEventListener("visibilitychange", see);
    // A page that is left may come back from the browser's memory as it was.
    window.addEventListener("pagehide", go);
    return () => {
      leaving.stop();
      if (timer !== undefined) PAGE_TIMERS.clear(timer);
      for (const name of USES) document.removeEventListener(name, use, { capture: true });
      document.removeEventListener("visibilitychange", see);
      window.removeEventListener("pagehide", go);
    };
  }, [isKept, awayMs]);
  return { isNoticed, isCovered };
}
