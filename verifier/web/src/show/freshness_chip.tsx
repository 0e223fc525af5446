/**
 * The freshness chip: from when the list at hand is. It is on every screen, and says where the clock is wrong.
 *
 * Its mark tells three cases apart without colour: a disc for a list that is new enough, half a disc for one that is
 * older than the station wants, an open ring where nobody knows.
 */

import { useEffect, useState } from "preact/hooks";
import { dayOfSeconds } from "../core/calendar_days.ts";
import type { TrustedList } from "../core/trusted_list.ts";
import { freshnessLine } from "../words/tell.ts";
import { useWords } from "../words/words.ts";
import { freshnessOf } from "../words/freshness.ts";
import "./show.css";

/** How often the chip looks at the clock. */
const LOOK_MS = 60_000;

export interface FreshnessChipProps {
  readonly lists: readonly Pick<TrustedList, "origin" | "nowMinS">[];
  readonly staleAfterDays: number;
  /** The device's clock, seconds since 1970. */
  readonly clockS?: (() => number) | undefined;
}

export function FreshnessChip({ lists, staleAfterDays, clockS = deviceClockS }: FreshnessChipProps) {
  const words = useWords();
  const nowS = useClock(clockS);
  if (lists.length === 0) {
    return <p class="chip chip-unknown">{words.text("freshness.none")}</p>;
  }
  return (
    <>
      {lists.map(({ origin, nowMinS }) => {
        const { ageDays, freshness } = freshnessOf(nowMinS, nowS, staleAfterDays);
        return (
          <p key={origin} class={`chip chip-${freshness}`}>
            {lists.length > 1 && (
              <>
                <bdi>{origin}</bdi>{" "}
              </>
            )}
            {freshnessLine(words, dayOfSeconds(nowMinS), ageDays)}
          </p>
        );
      })}
    </>
  );
}

function useClock(clockS: () => number): number {
  const [nowS, setNow] = useState(clockS);
  useEffect(() => {
    const look = () => setNow(clockS());
    const timer = window.setInterval(look, LOOK_MS);
    document.addEventListener("visibilitychange", look);
    look();
    return () => {
      window.clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [clockS]);
  return nowS;
}

function deviceClockS(): number {
  return Math.floor(Date.now() / 1000);
}
