/**
 * The camera's screen: reads codes until told to stop, and offers a photo or the text where there is no camera.
 *
 * Texts go to `onText` and nowhere else. Several codes in one picture are told one after the other, at once: what takes
 * them must add to what it had, and not to what it had when the screen was drawn.
 */

import { useEffect, useRef, useState } from "preact/hooks";
import type { Recognised } from "../core/qr_text.ts";
import { useWords } from "../words/words.ts";
import { CameraControls } from "./camera_controls.tsx";
import { HintLine } from "./hint_line.tsx";
import { OtherWays } from "./other_ways.tsx";
import "./scan.css";
import { Teller } from "./telling.ts";
import { type CameraState, useCamera } from "./use_camera.ts";

export interface ScanProps {
  /** Called once for each text that is read; the same text again within a moment is not told twice. */
  readonly onText: (text: string) => void;
  /** Shown above the picture, such as "Now the adult's card". */
  readonly task?: string | undefined;
  /** Progress of numbered frames, where some were read. */
  readonly progress?: { readonly done: number; readonly count: number } | undefined;
}

/** One for the page: what was told is known when the screen is opened again. */
const TELLER = new Teller(crypto.getRandomValues(new Uint32Array(1))[0]);

export function ScanScreen({ onText, task, progress }: ScanProps) {
  const words = useWords();
  const heading = useRef<HTMLHeadingElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const [foreign, setForeign] = useState<Recognised>();
  const [isReadingPictures, setReadingPictures] = useState(false);
  const [isTorchOn, setTorchOn] = useState(false);

  const onTexts = (texts: readonly string[]): boolean => {
    const seen = TELLER.see(texts, performance.now());
    setForeign(seen.foreign);
    for (const text of seen.told) onText(text);
    return seen.isOurs;
  };
  const view = useCamera(video, !isReadingPictures, onTexts);
  const { camera, state } = view;

  useEffect(() => heading.current?.focus(), []);
  useEffect(() => {
    if (state === "on") TELLER.resume(performance.now());
    setTorchOn(false);
    setForeign(undefined);
  }, [state, camera]);

  const isShown = state === "on" || state === "opening";
  return (
    <main class="screen scan">
      <h1 ref={heading} tabIndex={-1}>
        {words.text("phone.scan.title")}
      </h1>
      {task && <p class="scan-task">{task}</p>}
      <div class="scan-picture" hidden={!isShown}>
        <video
          ref={video}
          class={camera?.isFacingUser ? "is-mirrored" : undefined}
          aria-label={words.text("phone.scan.picture")}
          muted
          playsInline
          disablePictureInPicture
          disableRemotePlayback
          onLoadedMetadata={({ currentTarget }) => {
            currentTarget.style.aspectRatio = `${currentTarget.videoWidth} / ${currentTarget.videoHeight}`;
          }}
        />
        <div class="scan-aim" aria-hidden="true">
          <div class="scan-aim-corners" />
        </div>
      </div>
      {isShown ? (
        <HintLine
          foreign={foreign}
          isOn={state === "on"}
          lastReadMs={view.lastReadMs}
          means={{ torch: camera?.hasTorch ? (isTorchOn ? "on" : "off") : "none", isZoomable: !!camera?.zoom }}
        />
      ) : (
        <Problem state={state} onRestart={view.restart} />
      )}
      {progress && <Progress {...progress} />}
      {camera && (
        <CameraControls
          camera={camera}
          isTorchOn={isTorchOn}
          onTorch={setTorchOn}
          onFlip={view.isFlippable ? view.flip : undefined}
        />
      )}
      <OtherWays onTexts={(texts) => texts.forEach(onText)} onReading={setReadingPictures} isOpen={!isShown} />
    </main>
  );
}

/** Why there is no picture, and what to do; a camera that rests is no problem. */
function Problem({ state, onRestart }: { readonly state: CameraState; readonly onRestart: () => void }) {
  const words = useWords();
  const path = `phone.scan.problems.${state}`;
  return (
    <section class="scan-problem" role="status">
      <h2>{words.text(`${path}.title`)}</h2>
      <p>{words.text(`${path}.now`)}</p>
      {state !== "insecure" && state !== "unsupported" && (
        <button type="button" class="main" onClick={onRestart}>
          {words.text(state === "idle" ? "phone.scan.start" : "phone.scan.retry")}
        </button>
      )}
    </section>
  );
}

function Progress({ done, count }: { readonly done: number; readonly count: number }) {
  const words = useWords();
  return (
    <label class="scan-progress">
      {words.text("phone.scan.progress", { done, count })}
      <progress max={count} value={done} />
    </label>
  );
}
