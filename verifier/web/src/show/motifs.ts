/**
 * The sound of each state, as notes: short, soft, and different in contour and rhythm, so that no two are confused
 * and none frightens whoever stands near.
 *
 * What is confirmed rises; what asks for a closer look stays or wavers in the middle; what should not be relied on
 * sinks slowly and low. There is no alarm: the holder may have been deceived, and the escort hears it too.
 */

export interface Note {
  readonly hz: number;
  /** Seconds from the start of the motif. */
  readonly atS: number;
  readonly lastsS: number;
}

const BEAT_S = 0.14;
const TONIC_HZ = 392;

/** Semitones from the tonic, each with its beats; `undefined` is a rest. */
type Score = readonly (readonly [semitones: number | undefined, beats: number])[];

const SCORES: ReadonlyMap<string, Score> = new Map<string, Score>([
  ["confirmed", [[0, 1], [7, 2]]],
  ["confirmed_stale", [[0, 1], [7, 1], [undefined, 1], [7, 1]]],
  ["not_yet_listed", [[0, 1], [2, 1], [4, 2]]],
  ["replaced", [[4, 1], [0, 1], [4, 2]]],
  ["withdrawn", [[4, 2], [2, 2]]],
  ["suspended", [[2, 1], [undefined, 1], [2, 1]]],
  ["expired", [[5, 1], [4, 1], [0, 2]]],
  ["unknown_issuer", [[0, 1], [0, 1], [5, 2]]],
  ["incomplete", [[0, 1], [4, 1], [undefined, 2], [2, 1]]],
  ["unreadable", [[0, 1], [undefined, 1], [0, 1], [undefined, 1], [0, 1]]],
  ["not_listed", [[-5, 2], [undefined, 1], [-7, 3]]],
  ["altered", [[-3, 2], [-7, 2], [-10, 2]]],
]);

/** The notes of a state; none for one that this version does not know. */
export function motifOf(state: string): Note[] {
  const notes: Note[] = [];
  let beat = 0;
  for (const [semitones, beats] of SCORES.get(state) ?? []) {
    if (semitones !== undefined) {
      notes.push({ hz: TONIC_HZ * 2 ** (semitones / 12), atS: beat * BEAT_S, lastsS: beats * BEAT_S });
    }
    beat += beats;
  }
  return notes;
}
