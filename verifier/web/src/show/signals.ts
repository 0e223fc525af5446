/**
 * Sound and vibration of a result.
 *
 * A browser may refuse either: before the page was touched, in a silent mode, on a device without a motor. Nothing
 * depends on them, so a refusal is passed over.
 */

import type { Settings } from "../keep/settings.ts";
import { buzzOf } from "./looks.ts";
import { motifOf } from "./motifs.ts";

const LOUDNESS = 0.14;
const SOFT_EDGE_S = 0.03;
let player: AudioContext | undefined;

/** Browsers refuse, and write to the console, before the page was touched for the first time. */
function wasTouched(): boolean {
  return navigator.userActivation?.hasBeenActive ?? true;
}

/** Whether the browser has a way to make the device buzz; a device without a motor says so too. */
export function canVibrate(): boolean {
  return typeof navigator.vibrate === "function";
}

/** Let sound be played later without a touch: to be called while the page is being touched. */
export function unlockSound(): void {
  if (!wasTouched()) return;
  try {
    player ??= new AudioContext();
    void player.resume().catch(() => {});
  } catch {
    player = undefined;
  }
}

/** Say a state by sound and by vibration, as far as the settings allow; the discreet mode has no sound. */
export function signal(state: string, settings: Settings): void {
  if (settings.vibration) vibrate(buzzOf(state, settings.discreet));
  if (settings.sound && !settings.discreet) play(state);
}

/** Buzz, and return whether the browser took it. */
export function vibrate(pattern: number[]): boolean {
  return canVibrate() && wasTouched() && navigator.vibrate(pattern);
}

/** End what still buzzes. */
export function hush(): void {
  if (canVibrate() && wasTouched()) navigator.vibrate(0);
}

function play(state: string): void {
  unlockSound();
  if (!player) return;
  const startS = player.currentTime + SOFT_EDGE_S;
  for (const { hz, atS, lastsS } of motifOf(state)) {
    const tone = new OscillatorNode(player, { type: "sine", frequency: hz });
    const volume = new GainNode(player, { gain: 0 });
    const fromS = startS + atS;
    const untilS = fromS + lastsS;
    volume.gain.setValueAtTime(0, fromS);
    volume.gain.linearRampToValueAtTime(LOUDNESS, fromS + SOFT_EDGE_S);
    volume.gain.setValueAtTime(LOUDNESS, untilS - SOFT_EDGE_S);
    volume.gain.linearRampToValueAtTime(0, untilS);
    tone.connect(volume).connect(player.destination);
    tone.start(fromS);
    tone.stop(untilS);
  }
}
