/** The heading of a screen: it takes the focus whenever the screen is another one, so that it is read first. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import "./heading.css";

export interface HeadingProps {
  /** What tells this screen from the one before. */
  readonly screen: string | number;
  /** Leaves the focus where it is. */
  readonly isQuiet?: boolean;
  readonly children: ComponentChildren;
}

export function Heading({ screen, isQuiet = false, children }: HeadingProps) {
  const place = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (isQuiet) return;
    window.scrollTo(0, 0);
    place.current?.focus({ preventScroll: true });
  }, [screen, isQuiet]);
  return (
    <h1 class="lesson-heading" ref={place} tabIndex={-1}>
      {children}
    </h1>
  );
}
