/** Five practice cards, judged for real under a trust root of their own that can never verify live. */

import type { Settings } from "../keep/settings.ts";
import { useWords } from "../words/words.ts";
import { Drill } from "./drill.tsx";

export interface PracticeProps {
  readonly settings: Settings;
  readonly onDone: () => void;
}

export function Practice({ settings, onDone }: PracticeProps) {
  const words = useWords();
  return (
    <Drill settings={settings} onLabel={words.text("phone.practice.done")} onDone={onDone} onLeave={onDone} />
  );
}
