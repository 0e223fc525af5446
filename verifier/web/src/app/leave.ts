/**
 * Leaving in a hurry: whoever looks over the worker's shoulder sees an empty page at once, also without a network.
 *
 * Nothing is deleted, because there is nothing of a check to delete. The page's place in the history is taken by the
 * empty one, so "back" does not lead here.
 */

/** Times the Shift key is pressed, within `WITHIN_MS`, to leave by keyboard. */
const PRESSES = 3;
const WITHIN_MS = 2_000;

export function leave(): void {
  document.title = "";
  document.body.replaceChildren();
  window.location.replace("about:blank");
}

/** Leave when Shift is pressed three times; returns how to stop listening. */
export function leaveByKeyboard(): () => void {
  let pressed: number[] = [];
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Shift") {
      pressed = [];
      return;
    }
    if (event.repeat) return;
    pressed = [...pressed.filter((at) => event.timeStamp - at < WITHIN_MS), event.timeStamp];
    if (pressed.length >= PRESSES) leave();
  };
  window.addEventListener("keydown", onKey);
  return () => window.removeEventListener("keydown", onKey);
}
