/** Five practice cards, judged for real under a trust root of their own that can never verify live. */

import type { Settings } from "../keep/settings.ts";

export interface PracticeProps {
  readonly settings: Settings;
  readonly onDone: () => void;
}

export function Practice(_props: PracticeProps) {
  return <p>practice</p>;
}
