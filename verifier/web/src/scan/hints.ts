/**
 * What helps when nothing is read: one sentence at a time, the first after four seconds.
 *
 *     hintAt(3999, { torch: "off", isZoomable: false })   ->   undefined
 *     hintAt(4000, { torch: "off", isZoomable: false })   ->   { name: "flatten", isNew: true }
 *
 * The first time round a screen reader says them; after that they only stand there, so that nobody has to listen to
 * the same advice for a whole queue.
 */

export const HINTS_AFTER_MS = 4000;
export const HINT_LASTS_MS = 5000;

export type Hint = "flatten" | "shade" | "closer" | "torch" | "steady" | "zoom" | "other_ways";

export interface Means {
  /** Whether the camera has a light, and whether it is on. */
  readonly torch: "none" | "off" | "on";
  readonly isZoomable: boolean;
}

export interface ShownHint {
  readonly name: Hint;
  /** Whether it is shown for the first time since something was read. */
  readonly isNew: boolean;
}

/** Return the hint for a time without a read; undefined before four seconds. */
export function hintAt(sinceReadMs: number, means: Means): ShownHint | undefined {
  if (sinceReadMs < HINTS_AFTER_MS) return undefined;
  const hints = hintsFor(means);
  const number = Math.floor((sinceReadMs - HINTS_AFTER_MS) / HINT_LASTS_MS);
  const name = hints[number % hints.length];
  return name && { name, isNew: number < hints.length };
}

/** A lit torch makes glare, so the advice is then the other way round: shade comes first. */
function hintsFor({ torch, isZoomable }: Means): readonly Hint[] {
  const light: readonly Hint[] = torch === "off" ? ["torch"] : [];
  const zoom: readonly Hint[] = isZoomable ? ["zoom"] : [];
  const first: readonly Hint[] = torch === "on" ? ["shade", "flatten"] : ["flatten", "shade"];
  return [...first, "closer", ...light, "steady", ...zoom, "other_ways"];
}
