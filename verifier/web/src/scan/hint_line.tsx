/** The line below the picture: what to do, what helps, and what was seen that is no card. */

import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Recognised } from "../core/qr_text.ts";
import { useWords } from "../words/words.ts";
import { hintAt, type Means, type ShownHint } from "./hints.ts";

const LOOK_MS = 500;

export interface HintLineProps {
  readonly foreign: Recognised | undefined;
  readonly isOn: boolean;
  readonly lastReadMs: RefObject<number>;
  readonly means: Means;
}

export function HintLine({ foreign, isOn, lastReadMs, means }: HintLineProps) {
  const words = useWords();
  const hint = useHint(isOn, lastReadMs, means);
  const base = words.text(isOn ? "phone.scan.aim" : "phone.scan.opening");
  const advice = hint && words.text(`phone.scan.hints.${hint.name}`);
  const notice = foreign && words.text("phone.scan.foreign", { kind: words.text(`kinds.${foreign}`) });
  // The same advice is said once; the visible line goes on through the list.
  const [said, setSaid] = useState("");
  const isToSay = notice ?? (hint?.isNew ? advice : undefined);
  useEffect(() => {
    if (isToSay) setSaid(isToSay);
  }, [isToSay]);
  return (
    <div class="scan-hint">
      <p aria-hidden="true">{notice ?? advice ?? base}</p>
      <p class="unseen" role="status">
        {said || base}
      </p>
    </div>
  );
}

function useHint(isOn: boolean, lastReadMs: RefObject<number>, { torch, isZoomable }: Means): ShownHint | undefined {
  const [hint, setHint] = useState<ShownHint>();
  useEffect(() => {
    setHint(undefined);
    if (!isOn) return;
    const timer = setInterval(() => {
      const next = hintAt(performance.now() - (lastReadMs.current ?? 0), { torch, isZoomable });
      setHint((shown) => (shown?.name === next?.name && shown?.isNew === next?.isNew ? shown : next));
    }, LOOK_MS);
    return () => clearInterval(timer);
  }, [isOn, torch, isZoomable, lastReadMs]);
  return hint;
}
