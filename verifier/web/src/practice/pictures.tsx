/** Pictograms of the first run: lines in the colour of the text, and nothing that words do not say too. */

import type { ComponentChildren } from "preact";

function Picture({ children }: { readonly children: ComponentChildren }) {
  return (
    <svg
      class="lesson-picture"
      viewBox="0 0 96 64"
      fill="none"
      stroke="currentColor"
      stroke-width="3"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

/** A card with a code, a tick of its own, and beside it a person with none. */
export function CardAndPerson() {
  return (
    <Picture>
      <rect x="6" y="14" width="46" height="32" rx="4" />
      <path d="M14 22h10v10H14zM14 38h18M32 22h12" />
      <circle cx="48" cy="46" r="11" fill="var(--paper)" />
      <path d="m43 46 4 4 7-8" />
      <circle cx="78" cy="22" r="8" />
      <path d="M64 52c0-10 6-16 14-16s14 6 14 16" />
    </Picture>
  );
}

/** An eye that looks, and a sheet on which nothing is written. */
export function NothingKept() {
  return (
    <Picture>
      <path d="M4 32c8-12 18-18 28-18s20 6 28 18c-8 12-18 18-28 18S12 44 4 32z" />
      <circle cx="32" cy="32" r="8" />
      <path d="M72 12h14l6 6v34H72z" stroke-dasharray="4 6" />
      <path d="m76 28 12 12m0-12L76 40" />
    </Picture>
  );
}

function BorderLines() {
  return <path d="M6 50V26M2 50h8M6 30l20-8M12 28l2 4m4-7 2 4" />;
}

function ShelterLines() {
  return <path d="M4 32 16 20l12 12M8 30v20h16V30M14 50V40h4v10" />;
}

function DeskLines() {
  return <path d="M2 38h28M6 38v12m20-12v12M12 38V28h10v10M16 24v4" />;
}

/** The picture of a post, for its button. */
export function PostPicture({ post }: { readonly post: "border" | "shelter" | "desk" }) {
  return (
    <svg
      class="lesson-post-picture"
      viewBox="0 16 32 38"
      fill="none"
      stroke="currentColor"
      stroke-width="2.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {post === "border" && <BorderLines />}
      {post === "shelter" && <ShelterLines />}
      {post === "desk" && <DeskLines />}
    </svg>
  );
}
