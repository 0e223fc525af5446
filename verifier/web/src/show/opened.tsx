/**
 * What the bearer opened: in the page only while it is held, at most ten seconds, or for ten seconds after two steps
 * and after each touch of what they opened.
 *
 * Hidden means gone: neither the lines nor the picture are in the document then, and the picture's address is taken
 * back. A screen reader is told that something is shown, never what: a name read out loud by itself reaches whoever
 * stands near.
 */

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Plain } from "../core/evidence.ts";
import { Name } from "../words/isolate.tsx";
import { useWords } from "../words/words.ts";
import { isShown, SHOWN_MS } from "./hold.ts";
import { type OpenedPart, openedParts } from "./opened_parts.ts";
import { useHold } from "./use_hold.ts";

export interface OpenedProps {
  readonly opened: ReadonlyMap<string, Plain>;
  readonly practice: boolean;
}

export function Opened({ opened, practice }: OpenedProps) {
  const words = useWords();
  const { showing, hold, events } = useHold(SHOWN_MS);
  const [isLow, setLow] = useState(false);
  const isStep = showing === "armed" || showing === "opened";
  const touch = (event: PointerEvent) => {
    // What is shown stays clear of the finger that shows it.
    setLow(event.clientY < window.innerHeight / 2);
    events.onPointerDown(event);
  };
  return (
    <section class="opened">
      <p class="soft">{words.text("phone.show.opened.warning")}</p>
      <button type="button" class="hold" {...events} onPointerDown={touch}>
        {words.text("phone.show.opened.hold", { count: opened.size })}
      </button>
      <button type="button" class="quiet" onClick={() => hold.step()}>
        {words.text(`phone.show.opened.${isStep ? showing : "steps"}`)}
      </button>
      <p class="unseen" role="status">
        {isShown(showing) ? words.text(`phone.show.opened.shown_${showing}`) : ""}
      </p>
      {isShown(showing) && (
        <OpenedPanel
          opened={opened}
          practice={practice}
          isLow={isLow && showing === "held"}
          onUse={() => hold.extend()}
          onHide={showing === "opened" ? () => hold.hide() : undefined}
        />
      )}
    </section>
  );
}

interface PanelProps extends OpenedProps {
  readonly isLow: boolean;
  /** Somebody reads on in what two steps opened: with large text it does not fit a screen. */
  readonly onUse: () => void;
  /** Undefined while it is held: letting go hides it. */
  readonly onHide: (() => void) | undefined;
}

function OpenedPanel({ opened, practice, isLow, onUse, onHide }: PanelProps) {
  const words = useWords();
  const parts = useMemo(() => openedParts(opened, words), [opened, words]);
  // Help and the way out, in the head of the page, stay where they are.
  const topPx = useMemo(() => Math.max(0, document.querySelector("header")?.getBoundingClientRect().bottom ?? 0), []);
  return (
    <div
      class={`opened-panel${isLow ? " low" : ""}`}
      role="group"
      aria-label={words.text("phone.show.opened.title")}
      style={{ insetBlockStart: `${topPx}px` }}
      onContextMenu={(event) => event.preventDefault()}
      onPointerDown={onUse}
      onScroll={onUse}
    >
      {practice && <p class="practice-mark">{words.text("phone.show.practice_mark")}</p>}
      <dl>
        {parts.map((part) => (
          <div key={part.name} class={part.picture || part.name === "names" ? `part-${part.name}` : undefined}>
            <dt>{part.label}</dt>
            {part.picture && <Picture picture={part.picture} />}
            {part.values.map((value, place) => (
              <dd key={place}>
                <Name>{value}</Name>
              </dd>
            ))}
          </div>
        ))}
      </dl>
      {onHide && (
        <button type="button" class="main" onClick={onHide}>
          {words.text("phone.show.opened.opened")}
        </button>
      )}
    </div>
  );
}

function Picture({ picture }: { readonly picture: NonNullable<OpenedPart["picture"]> }) {
  const words = useWords();
  const [address, setAddress] = useState("");
  const [isBroken, setBroken] = useState(false);
  useEffect(() => {
    const made = URL.createObjectURL(picture);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [picture]);
  if (isBroken) return <dd>{words.text("page.bytes", { count: picture.size })}</dd>;
  if (!address) return null;
  return (
    <dd>
      <img
        class="portrait"
        src={address}
        alt={words.text("page.picture_alt")}
        draggable={false}
        onError={() => setBroken(true)}
      />
    </dd>
  );
}
