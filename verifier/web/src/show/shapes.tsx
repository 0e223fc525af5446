/**
 * The shape of each state, drawn so that it is told apart in grey, small, and through a scratched screen.
 *
 * Only one shape is a full disc and only one a full triangle: what is confirmed and what is not genuine differ in their
 * outline, in how full they are and in what is cut out of them.
 */

import type { ComponentChildren } from "preact";
import type { Shape } from "./looks.ts";

const DRAWINGS: { readonly [shape in Shape]: ComponentChildren } = {
  "circle-check": (
    <>
      <circle class="full" cx="48" cy="48" r="44" />
      <path class="cut" d="M27 49l15 15 28-31" />
    </>
  ),
  "circle-clock": (
    <>
      <circle class="line" cx="48" cy="48" r="40" />
      <path class="line" d="M48 23v27l18 11" />
    </>
  ),
  hourglass: (
    <>
      <path class="line" d="M20 8h56M20 88h56M26 8c0 24 22 28 22 40S26 64 26 88M70 8c0 24-22 28-22 40s22 16 22 40" />
      <path class="full" d="M31 86c2-12 9-15 17-19 8 4 15 7 17 19z" />
    </>
  ),
  "two-cards": (
    <>
      <path class="line" d="M30 30V10h60v42H74" />
      <rect class="full" x="6" y="38" width="62" height="48" rx="6" />
      <path class="cut" d="M18 56h26M18 70h38" />
    </>
  ),
  "octagon-bar": (
    <>
      <path class="full" d="M31 6h34l25 25v34L65 90H31L6 65V31z" />
      <path class="cut wide" d="M26 48h44" />
    </>
  ),
  "diamond-pause": (
    <>
      <path class="line" d="M48 6l42 42-42 42L6 48z" />
      <path class="line wide" d="M38 36v24M58 36v24" />
    </>
  ),
  "square-calendar": (
    <>
      <path class="line" d="M10 20h76v66H10z" />
      <path class="full" d="M10 20h76v20H10z" />
      <path class="line" d="M30 8v18M66 8v18M36 64h24" />
    </>
  ),
  "circle-question": (
    <>
      <circle class="line thin" cx="48" cy="48" r="41" />
      <path class="line wide" d="M34 38c0-19 29-18 29-2 0 11-15 11-15 23M48 73v.5" />
    </>
  ),
  "triangle-gap": (
    <>
      <path class="line" d="M40 22L6 86h26M56 22l34 64H64" />
      <path class="line wide" d="M48 42v20M48 84v.5" />
    </>
  ),
  "broken-square": (
    <>
      <path class="line" d="M40 10H10v76h24l8-20-10-16 10-18z" />
      <path class="line" d="M62 10h24v76H56l8-20-10-16 10-18z" />
    </>
  ),
  "triangle-cross": (
    <>
      <path class="full" d="M48 4l45 84H3z" />
      <path class="cut" d="M36 46l24 26M60 46L36 72" />
    </>
  ),
  "dotted-square": <path class="dots" d="M12 12h72v72H12z" />,
};

const LINKS = {
  recorded: <path class="line" d="M44 58h24" />,
  ended: <path class="line" d="M44 58h6M62 58h6M56 46v24" />,
  not_recorded: <path class="dots small" d="M46 58h22" />,
} as const;

export function ShapeOf({ shape }: { readonly shape: Shape }) {
  return <Drawing>{DRAWINGS[shape]}</Drawing>;
}

/** An adult and a child, and what is between them. */
export function LinkShape({ result }: { readonly result: keyof typeof LINKS }) {
  return (
    <Drawing>
      <circle class="full" cx="26" cy="26" r="14" />
      <path class="full" d="M6 88V62a20 16 0 0 1 40 0v26z" />
      <circle class="full" cx="78" cy="46" r="10" />
      <path class="full" d="M64 88V72a14 12 0 0 1 28 0v16z" />
      {LINKS[result]}
    </Drawing>
  );
}

function Drawing({ children }: { readonly children: ComponentChildren }) {
  return (
    <svg class="shape" viewBox="0 0 96 96" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}
