/**
 * Texts as codes that follow one another on the screen, for the camera of a colleague.
 *
 *     <AnimatedCodes texts={frames} label={words.text("phone.keep.show")} />
 *
 * They can be slowed down, stopped and stepped through by hand; where less motion is wished for, they stand still from
 * the beginning. The codes are drawn on a canvas, always dark on white: many cameras do not read the reverse.
 */

import { useEffect, useRef, useState } from "preact/hooks";
import { useWords } from "../words/words.ts";
import "./animated.css";
import { type CodePicture, codeOf, pixelsFor } from "./code_picture.ts";

export interface AnimatedCodesProps {
  readonly texts: readonly string[];
  /** What the codes are, for those who do not see them. */
  readonly label: string;
}

/** Codes a second. A camera gives 15 to 30 pictures, and each code has to stand still in one of them. */
const SPEEDS = { min: 1, max: 12, start: 8 };

export function AnimatedCodes({ texts, label }: AnimatedCodesProps) {
  const words = useWords();
  const [at, setAt] = useState(0);
  const [speed, setSpeed] = useState(SPEEDS.start);
  const [isPlaying, setPlaying] = useState(() => !matchMedia("(prefers-reduced-motion: reduce)").matches);
  const count = texts.length;
  const isMoving = isPlaying && count > 1;

  useEffect(() => setAt(0), [texts]);
  useEffect(() => {
    if (!isMoving) return;
    const timer = setInterval(() => setAt((number) => (number + 1) % count), 1000 / speed);
    return () => clearInterval(timer);
  }, [isMoving, speed, count]);

  const step = (by: number) => {
    setPlaying(false);
    setAt((number) => (number + by + count) % count);
  };
  const number = words.text("phone.scan.animated.number", { number: Math.min(at + 1, count), count });
  return (
    <div class="codes">
      <Code text={texts[at] ?? texts[0]} label={label} />
      {count > 1 && (
        <>
          <p class="codes-number" aria-live={isMoving ? "off" : "polite"}>
            {number}
          </p>
          <button type="button" class="main" onClick={() => setPlaying(!isPlaying)}>
            {words.text(isPlaying ? "phone.scan.animated.pause" : "phone.scan.animated.play")}
          </button>
          <div class="row">
            <button type="button" onClick={() => step(-1)}>
              {words.text("phone.scan.animated.previous")}
            </button>
            <button type="button" onClick={() => step(1)}>
              {words.text("phone.scan.animated.next")}
            </button>
          </div>
          <label>
            {words.text("phone.scan.animated.speed", { count: speed })}
            <input
              type="range"
              min={SPEEDS.min}
              max={SPEEDS.max}
              value={speed}
              onInput={({ currentTarget }) => setSpeed(currentTarget.valueAsNumber)}
            />
          </label>
        </>
      )}
    </div>
  );
}

function Code({ text, label }: { readonly text: string | undefined; readonly label: string }) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const made = useRef(new Map<string, CodePicture>());
  const width = useWidth(box);
  useEffect(() => {
    if (!canvas.current || text === undefined || width === 0) return;
    const code = made.current.get(text) ?? codeOf(text);
    made.current.set(text, code);
    draw(canvas.current, code, width);
  }, [text, width]);
  return (
    <div ref={box} class="codes-box">
      <canvas ref={canvas} role="img" aria-label={label} />
    </div>
  );
}

/** The width of the box in CSS pixels, also when the phone is turned. */
function useWidth(box: { readonly current: HTMLElement | null }): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!box.current) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(box.current);
    return () => observer.disconnect();
  }, [box]);
  return width;
}

function draw(canvas: HTMLCanvasElement, { side, squares }: CodePicture, width: number): void {
  const ratio = globalThis.devicePixelRatio || 1;
  const pixels = pixelsFor(side, width, ratio);
  canvas.width = side * pixels;
  canvas.height = side * pixels;
  canvas.style.inlineSize = `${(side * pixels) / ratio}px`;
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) return;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#000";
  squares.forEach((isDark, at) => {
    if (isDark) context.fillRect((at % side) * pixels, Math.floor(at / side) * pixels, pixels, pixels);
  });
}
