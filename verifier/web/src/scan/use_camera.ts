/**
 * The camera of the scan screen, from opening to closing.
 *
 * It is open while the screen is shown, the page is in front and something was read in the last minutes; otherwise it
 * is closed, and its light goes out with it.
 */

import type { RefObject } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Camera, type CameraProblem, cameraIds, openCamera } from "./camera.ts";
import { forgetDecoder, openDecoder } from "./decoder.ts";
import { openNativeReader } from "./native_reader.ts";
import { type OnTexts, ScanLoop } from "./scan_loop.ts";

/** A phone that was laid aside saves its battery. */
export const IDLE_MS = 180_000;
const IDLE_CHECK_MS = 5000;

export type CameraState = "opening" | "on" | "idle" | "no_reader" | CameraProblem;

export interface CameraView {
  readonly state: CameraState;
  /** The open camera; undefined in every state but "on". */
  readonly camera: Camera | undefined;
  /** When the camera went on, or something of ours was read last, in ms of `performance.now()`. */
  readonly lastReadMs: RefObject<number>;
  readonly isFlippable: boolean;
  /** Take the next camera. */
  readonly flip: () => void;
  /** Open the camera again, after a problem or a rest. */
  readonly restart: () => void;
}

/** Run the camera while `isWanted`; the texts of each picture go to `onTexts`. */
export function useCamera(video: RefObject<HTMLVideoElement | null>, isWanted: boolean, onTexts: OnTexts): CameraView {
  const [state, setState] = useState<CameraState>("opening");
  const [camera, setCamera] = useState<Camera>();
  const [deviceId, setDeviceId] = useState<string>();
  const [ids, setIds] = useState<readonly string[]>([]);
  const [run, setRun] = useState(0);
  const isVisible = useVisible();
  const lastReadMs = useRef(0);
  const tell = useRef(onTexts);
  tell.current = onTexts;

  useEffect(() => {
    if (!isWanted || !isVisible) return;
    const onRead: OnTexts = (texts) => {
      const isOurs = tell.current(texts);
      if (isOurs) lastReadMs.current = performance.now();
      return isOurs;
    };
    const end = (reason: CameraState) => {
      close();
      setState(reason);
    };
    setState("opening");
    const close = start(video, deviceId, onRead, {
      onOpen: (opened) => {
        lastReadMs.current = performance.now();
        setCamera(opened);
        setState("on");
        void cameraIds().then(setIds);
      },
      onProblem: end,
    });
    const timer = setInterval(() => {
      const isIdle = lastReadMs.current > 0 && performance.now() - lastReadMs.current > IDLE_MS;
      if (isIdle) end("idle");
    }, IDLE_CHECK_MS);
    return () => {
      clearInterval(timer);
      close();
      lastReadMs.current = 0;
      setCamera(undefined);
    };
  }, [isWanted, isVisible, deviceId, run, video]);

  const flip = useCallback(() => {
    const at = ids.indexOf(camera?.deviceId ?? "");
    setDeviceId(ids[(at + 1) % ids.length]);
  }, [ids, camera]);
  const restart = useCallback(() => {
    setDeviceId(undefined);
    setRun((count) => count + 1);
  }, []);
  return { state, camera: state === "on" ? camera : undefined, lastReadMs, isFlippable: ids.length > 1, flip, restart };
}

interface Events {
  readonly onOpen: (camera: Camera) => void;
  readonly onProblem: (problem: CameraState) => void;
}

/** Open camera and readers at once, and read until the returned function is called. */
function start(
  video: RefObject<HTMLVideoElement | null>,
  deviceId: string | undefined,
  onTexts: OnTexts,
  { onOpen, onProblem }: Events,
): () => void {
  let isClosed = false;
  let camera: Camera | undefined;
  let loop: ScanLoop | undefined;
  const close = () => {
    isClosed = true;
    loop?.stop();
    camera?.close();
    if (video.current) video.current.srcObject = null;
  };
  const open = async () => {
    const readers = Promise.all([openDecoder(), openNativeReader()]).catch(() => undefined);
    const opened = await openCamera(deviceId);
    if (typeof opened === "string") {
      (await readers)?.[0].close();
      if (!isClosed) onProblem(opened);
      return;
    }
    if (isClosed || !video.current) return opened.close();
    camera = opened;
    camera.onEnded(() => !isClosed && onProblem("stopped"));
    video.current.srcObject = camera.stream;
    // Rejects where the element is gone before it plays, and where it plays by itself already.
    void video.current.play().catch(() => undefined);
    onOpen(camera);
    const [decoder, native] = (await readers) ?? [];
    if (isClosed || !video.current) return decoder?.close();
    if (!decoder) return onProblem("no_reader");
    loop = new ScanLoop(video.current, decoder, native, onTexts);
    try {
      await loop.run();
    } catch (error) {
      // A picture that stands still and is not read would be worse than none.
      forgetDecoder();
      if (!isClosed) onProblem("failed");
      throw error;
    }
  };
  void open();
  return close;
}

/** Whether the page is in front. */
function useVisible(): boolean {
  const [isVisible, setVisible] = useState(document.visibilityState === "visible");
  useEffect(() => {
    const look = () => setVisible(document.visibilityState === "visible");
    const leave = () => setVisible(false);
    document.addEventListener("visibilitychange", look);
    globalThis.addEventListener("pagehide", leave);
    globalThis.addEventListener("pageshow", look);
    return () => {
      document.removeEventListener("visibilitychange", look);
      globalThis.removeEventListener("pagehide", leave);
      globalThis.removeEventListener("pageshow", look);
    };
  }, []);
  return isVisible;
}
