/** The station's settings. */

import type { Settings } from "../keep/settings.ts";

export interface SettingsProps {
  readonly settings: Settings;
  readonly onSettings: (settings: Settings) => void;
  readonly onPractice: () => void;
  readonly onDone: () => void;
}

export function SettingsScreen(_props: SettingsProps) {
  return <p>settings</p>;
}
