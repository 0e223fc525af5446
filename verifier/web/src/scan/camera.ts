/** The camera: opened with the back one at 720p, never recorded, and closed whenever nobody looks at it. */

export type CameraProblem = "insecure" | "unsupported" | "denied" | "none" | "busy" | "stopped" | "failed";

/** What TypeScript's own types do not know of a camera yet. */
interface MoreCapabilities extends MediaTrackCapabilities {
  readonly torch?: boolean;
  readonly zoom?: { readonly min: number; readonly max: number; readonly step?: number };
  readonly focusMode?: readonly string[];
}

interface MoreConstraints extends MediaTrackConstraintSet {
  torch?: boolean;
  zoom?: number;
  focusMode?: string;
}

export interface Zoom {
  readonly min: number;
  readonly max: number;
  readonly step: number;
}

/** Larger pictures cost more to read than they show: 690 ms for 1080p where 720p took 177 ms. */
const WIDTH = 1280;
const HEIGHT = 720;

export class Camera {
  readonly stream: MediaStream;
  readonly #track: MediaStreamTrack;

  constructor(stream: MediaStream, track: MediaStreamTrack) {
    this.stream = stream;
    this.#track = track;
  }

  get deviceId(): string | undefined {
    return this.#track.getSettings().deviceId;
  }

  /** Whether the picture shows the person who holds the phone, who then expects a mirror. */
  get isFacingUser(): boolean {
    return this.#track.getSettings().facingMode === "user";
  }

  get hasTorch(): boolean {
    return this.#capabilities.torch === true;
  }

  get zoom(): Zoom | undefined {
    const { zoom } = this.#capabilities;
    return zoom && zoom.max > zoom.min ? { min: zoom.min, max: zoom.max, step: zoom.step || 0.1 } : undefined;
  }

  /** Turn the light on or off; tells whether that worked. */
  setTorch(isOn: boolean): Promise<boolean> {
    return this.#apply({ torch: isOn });
  }

  setZoom(zoom: number): Promise<boolean> {
    return this.#apply({ zoom });
  }

  /** Call when the camera ends without having been closed, such as when it is unplugged or no longer allowed. */
  onEnded(then: () => void): void {
    this.#track.addEventListener("ended", then);
  }

  /** Keep the focus moving, where the camera can: some start with a focus that stands still. */
  focus(): void {
    if (this.#capabilities.focusMode?.includes("continuous")) void this.#apply({ focusMode: "continuous" });
  }

  close(): void {
    for (const track of this.stream.getTracks()) track.stop();
  }

  get #capabilities(): MoreCapabilities {
    return this.#track.getCapabilities?.() ?? {};
  }

  async #apply(constraint: MoreConstraints): Promise<boolean> {
    try {
      await this.#track.applyConstraints({ advanced: [constraint] });
      return true;
    } catch {
      return false;
    }
  }
}

/** Open the camera of an id, or the one that looks away from the screen; or say why that is not possible. */
export async function openCamera(deviceId?: string): Promise<Camera | CameraProblem> {
  if (!globalThis.isSecureContext) return "insecure";
  if (!navigator.mediaDevices?.getUserMedia) return "unsupported";
  const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: { ideal: "environment" } };
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { ...which, width: { ideal: WIDTH }, height: { ideal: HEIGHT } },
    });
    const [track] = stream.getVideoTracks();
    if (!track) return "none";
    const camera = new Camera(stream, track);
    camera.focus();
    return camera;
  } catch (error) {
    return problemOf(error instanceof Error ? error.name : "");
  }
}

/** Return the ids of all cameras; browsers tell them once a camera was allowed. */
export async function cameraIds(): Promise<readonly string[]> {
  try {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.flatMap(({ kind, deviceId }) => (kind === "videoinput" && deviceId ? [deviceId] : []));
  } catch {
    return [];
  }
}

/** Return what is wrong by the name of a browser's error (W3C Media Capture and Streams, getUserMedia). */
export function problemOf(name: string): CameraProblem {
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "none";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    default:
      return "failed";
  }
}
