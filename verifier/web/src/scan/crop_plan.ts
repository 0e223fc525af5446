/**
 * Which part of a camera's picture is read, and with how much effort: one attempt for each frame, in turn.
 *
 * No single way reads everything. The frame of the aim at full resolution is the cheapest; the whole visible picture
 * finds a card beside the aim; the enlarged middle reads what is far away or shaken; now and then other kinds of codes
 * are looked for, so that a worker hears that a code is of another kind. Nothing outside the visible picture is read:
 * a card that lies unseen beside the one in question would be judged in its place.
 *
 *     attemptAt(0, false)                                  ->   { part: "aim", scale: 1, effort: "quick" }
 *     partOf("aim", { width: 1280, height: 720 }, whole)   ->   { width: 604, height: 604 }
 *
 * All parts are centred, so that neither mirroring nor a turned sensor changes them.
 */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export type Part = "aim" | "visible" | "middle";

export interface Attempt {
  readonly part: Part;
  /** How many times larger than the picture it is read. */
  readonly scale: number;
  readonly effort: Effort;
}

/**
 * What is looked for: QR codes; also codes that are light on dark, and other kinds; or all that the reader can do,
 * which takes twenty times as long and is for photos.
 */
export type Effort = "quick" | "kinds" | "all";

/** Share of the picture's shorter side: what the drawn aim covers, with a margin for hands that are not steady. */
const AIM_SHARE = 0.84;
const MIDDLE_SHARE = 0.67;
/** Planes of a picture have half the resolution in colour, so parts begin and end at even places. */
const STEP = 4;

const AIM: Attempt = { part: "aim", scale: 1, effort: "quick" };
const VISIBLE: Attempt = { part: "visible", scale: 1, effort: "quick" };
const MIDDLE: Attempt = { part: "middle", scale: 1.5, effort: "quick" };
const KINDS: Attempt = { part: "aim", scale: 1, effort: "kinds" };

const ROUND: readonly Attempt[] = [AIM, VISIBLE, AIM, MIDDLE, AIM, VISIBLE, AIM, KINDS];
/** Where reading takes long, the expensive ways come less often. */
const SLOW_ROUND: readonly Attempt[] = [AIM, AIM, VISIBLE, AIM, MIDDLE, AIM, VISIBLE, AIM, AIM, KINDS];

/** Return the attempt for the frame of this number, counted from 0. */
export function attemptAt(number: number, isSlow: boolean): Attempt {
  const round = isSlow ? SLOW_ROUND : ROUND;
  return round[number % round.length] ?? AIM;
}

/** Return the part of a picture that is seen in a box which it fills (`object-fit: cover`), centred. */
export function visiblePart(picture: Size, box: Size): Size {
  if (box.width <= 0 || box.height <= 0) return picture;
  const scale = Math.max(box.width / picture.width, box.height / picture.height);
  return { width: even(box.width / scale, picture.width), height: even(box.height / scale, picture.height) };
}

/** Return the size of the centred part that an attempt reads; `visible` is what `visiblePart` gave. */
export function partOf(part: Part, picture: Size, visible: Size): Size {
  if (part === "visible") return visible;
  const side = Math.min(visible.width, visible.height) * (part === "aim" ? AIM_SHARE : MIDDLE_SHARE);
  return { width: even(side, picture.width), height: even(side, picture.height) };
}

function even(length: number, atMost: number): number {
  return Math.max(STEP, Math.min(Math.floor(length / STEP) * STEP, Math.floor(atMost / STEP) * STEP));
}
