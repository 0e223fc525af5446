/** A `Hold` in a screen: pointers and keys press it, and it hides when the page is left in any way. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { Hold, type Showing, type Timers } from "./hold.ts";

export const PAGE_TIMERS: Timers = {
  set: (call, ms) => window.setTimeout(call, ms),
  clear: (id) => window.clearTimeout(id),
};

/** What the area that is held listens to. */
export interface HoldEvents {
  readonly onPointerDown: (event: PointerEvent) => void;
  readonly onPointerUp: () => void;
  readonly onPointerCancel: () => void;
  readonly onLostPointerCapture: () => void;
  readonly onKeyDown: (event: KeyboardEvent) => void;
  readonly onKeyUp: (event: KeyboardEvent) => void;
  readonly onBlur: () => void;
  readonly onContextMenu: (event: Event) => void;
}

export interface Held {
  readonly showing: Showing;
  readonly hold: Hold;
  readonly events: HoldEvents;
}

export function useHold(shownMs: number): Held {
  const [showing, setShowing] = useState<Showing>("hidden");
  const hold = useMemo(() => new Hold(PAGE_TIMERS, shownMs, setShowing), [shownMs]);
  const events = useMemo(() => eventsOf(hold), [hold]);
  useEffect(() => {
    const hide = () => hold.hide();
    const hideOnEscape = (event: KeyboardEvent) => {
      if (event.key === "Escape") hold.hide();
    };
    window.addEventListener("blur", hide);
    window.addEventListener("pagehide", hide);
    document.addEventListener("visibilitychange", hide);
    document.addEventListener("freeze", hide);
    document.addEventListener("keydown", hideOnEscape);
    return () => {
      hide();
      window.removeEventListener("blur", hide);
      window.removeEventListener("pagehide", hide);
      document.removeEventListener("visibilitychange", hide);
      document.removeEventListener("freeze", hide);
      document.removeEventListener("keydown", hideOnEscape);
    };
  }, [hold]);
  return { showing, hold, events };
}

function eventsOf(hold: Hold): HoldEvents {
  return {
    onPointerDown: (event) => {
      if (!event.isPrimary || event.button !== 0) return;
      // A finger that slides off the area still holds it, and its release is still heard.
      (event.currentTarget as Element).setPointerCapture(event.pointerId);
      hold.press();
    },
    onPointerUp: () => hold.release(),
    onPointerCancel: () => hold.release(),
    onLostPointerCapture: () => hold.release(),
    onKeyDown: (event) => {
      if (!isHoldKey(event)) return;
      event.preventDefault();
      // A key that stays down repeats; the repeats must not show again what its time has hidden.
      if (!event.repeat) hold.press();
    },
    onKeyUp: (event) => {
      if (!isHoldKey(event)) return;
      event.preventDefault();
      hold.release();
    },
    onBlur: () => hold.release(),
    onContextMenu: (event) => event.preventDefault(),
  };
}

function isHoldKey({ key }: KeyboardEvent): boolean {
  return key === " " || key === "Enter";
}
