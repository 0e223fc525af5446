/** Light, other camera and zoom: each only where the camera has it. */

import { useEffect, useState } from "preact/hooks";
import { useWords } from "../words/words.ts";
import type { Camera } from "./camera.ts";

export interface CameraControlsProps {
  readonly camera: Camera;
  readonly isTorchOn: boolean;
  readonly onTorch: (isOn: boolean) => void;
  /** Undefined where there is one camera only. */
  readonly onFlip: (() => void) | undefined;
}

export function CameraControls({ camera, isTorchOn, onTorch, onFlip }: CameraControlsProps) {
  const words = useWords();
  const [isRefused, setRefused] = useState(false);
  const { hasTorch, zoom } = camera;
  const [magnification, setMagnification] = useState(zoom?.min);
  useEffect(() => setMagnification(zoom?.min), [camera]);
  if (!hasTorch && !zoom && !onFlip) return null;
  const turn = async () => {
    const isDone = await camera.setTorch(!isTorchOn);
    setRefused(!isDone);
    if (isDone) onTorch(!isTorchOn);
  };
  return (
    <div class="scan-controls">
      <div class="row">
        {hasTorch && (
          <button type="button" onClick={() => void turn()}>
            {words.text(isTorchOn ? "phone.scan.torch_off" : "phone.scan.torch_on")}
          </button>
        )}
        {onFlip && (
          <button type="button" onClick={onFlip}>
            {words.text("phone.scan.flip")}
          </button>
        )}
      </div>
      {zoom && (
        <label class="scan-zoom">
          {words.text("phone.scan.zoom")}
          <input
            type="range"
            min={zoom.min}
            max={zoom.max}
            step={zoom.step}
            value={magnification}
            onInput={({ currentTarget }) => {
              setMagnification(currentTarget.valueAsNumber);
              void camera.setZoom(currentTarget.valueAsNumber);
            }}
          />
        </label>
      )}
      <p class="soft" role="status">
        {isRefused ? words.text("phone.scan.torch_refused") : ""}
      </p>
    </div>
  );
}
