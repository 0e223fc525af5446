/** The first run: three screens, then five practice cards; nothing else is reached before. */

import type { Settings } from "../keep/settings.ts";

export interface FirstRunProps {
  readonly settings: Settings;
  readonly onSettings: (settings: Settings) => void;
}

/** Shown until `settings.post` is set and `settings.practised` is true. */
export function FirstRun(_props: FirstRunProps) {
  return <p>first run</p>;
}
