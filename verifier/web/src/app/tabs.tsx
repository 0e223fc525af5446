/** The foot of the screens that are no result: where a station can go. */

import { useWords } from "../words/words.ts";

export type Tab = "scan" | "lists" | "settings";
const TABS: readonly Tab[] = ["scan", "lists", "settings"];

interface TabsProps {
  readonly current: Tab;
  readonly onTab: (tab: Tab) => void;
}

export function Tabs({ current, onTab }: TabsProps) {
  const words = useWords();
  return (
    <nav class="tabs" aria-label={words.text("phone.app.tabs_label")}>
      {TABS.map((tab) => (
        <button
          type="button"
          key={tab}
          class="quiet"
          aria-current={tab === current ? "page" : undefined}
          onClick={() => onTab(tab)}
        >
          {words.text(`phone.app.tabs.${tab}`)}
        </button>
      ))}
    </nav>
  );
}
