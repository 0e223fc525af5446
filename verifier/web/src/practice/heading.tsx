/** The heading of a screen: it takes the focus whenever the screen is another one, so that it is read first. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export function Heading({ screen, children }: { readonly screen: string | number; readonly children: ComponentChildren }) {
  const place = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    window.scrollTo(0, 0);
    place.current?.focus({ preventScroll: true });
  }, [screen]);
  return (
    <h1 ref={place} tabIndex={-1}>
      {children}
    </h1>
  );
}
