/** Handing a list on to a colleague, by file or by codes on this screen, and comparing heads. */

import { BUNDLE_KIND, DELTA_KIND, formatFrames } from "../core/frames.ts";
import { formatHeadFrames } from "../core/heads.ts";
import { useWords } from "../words/words.ts";
import { handOut } from "./hand_out.ts";
import type { Ledger } from "./ledger.ts";
import { Origin } from "./origin.tsx";
import { sizeText } from "./sizes.ts";

/** What is shown as codes at most; a file is quicker from there on. */
const CODES_MAX_BYTES = 100 * 1024;

/** Codes to be shown, and what they are. */
export interface ShownCodes {
  readonly texts: readonly string[];
  readonly label: string;
  /** What the colleague does with them. */
  readonly how: string;
}

interface HandOnProps {
  readonly ledger: Ledger;
  /** Whether the ledger has to be named, because there are several. */
  readonly isOneOfSeveral: boolean;
  readonly onCodes: (codes: ShownCodes) => void;
}

export function HandOn({ ledger, isOneOfSeveral, onCodes }: HandOnProps) {
  const words = useWords();
  const { bundle, deltas, origin, pin } = ledger.record;
  if (!bundle) return null;
  const name = fileName(origin);
  const how = words.text("phone.keep.hand_on.how", { tab: words.text("phone.app.tabs.scan") });
  const size = (bytes: number) => sizeText(words, bytes);
  return (
    <div class="hand-on">
      {isOneOfSeveral && (
        <h3>
          <Origin origin={origin} />
        </h3>
      )}
      <button type="button" onClick={() => void handOut([{ name: `${name}.cbor`, bytes: bundle }])}>
        {words.text("phone.keep.hand_on.file", { size: size(bundle.length) })}
      </button>
      {bundle.length <= CODES_MAX_BYTES && (
        <button
          type="button"
          onClick={() =>
            onCodes({ texts: formatFrames(BUNDLE_KIND, bundle), label: words.text("phone.keep.hand_on.list_label"), how })
          }
        >
          {words.text("phone.keep.hand_on.codes", { size: size(bundle.length) })}
        </button>
      )}
      {deltas.toReversed().map(({ bytes, fromSize, toSize }) => (
        <button
          type="button"
          key={`${fromSize}-${toSize}-${bytes.length}`}
          onClick={() =>
            onCodes({ texts: formatFrames(DELTA_KIND, bytes), label: words.text("phone.keep.hand_on.delta_label"), how })
          }
        >
          {words.text("phone.keep.hand_on.delta", {
            from: words.number(fromSize),
            to: words.number(toSize),
            size: size(bytes.length),
          })}
        </button>
      ))}
      <button
        type="button"
        onClick={() => void handOut([{ name: `${name}-pin.json`, bytes: new TextEncoder().encode(pin) }])}
      >
        {words.text("phone.keep.hand_on.pin")}
      </button>
    </div>
  );
}

/** The head of the list at hand, for a colleague's station to compare. */
export function ShowHead({ ledger, isOneOfSeveral, onCodes }: HandOnProps) {
  const words = useWords();
  const { trusted, record } = ledger;
  if (!trusted) return null;
  const { checkpoint } = trusted;
  const file = { name: `${fileName(record.origin)}-head.txt`, bytes: new TextEncoder().encode(checkpoint) };
  return (
    <div class="hand-on">
      {isOneOfSeveral && (
        <h3>
          <Origin origin={record.origin} />
        </h3>
      )}
      <button
        type="button"
        onClick={() =>
          onCodes({
            texts: formatHeadFrames(trusted),
            label: words.text("phone.keep.heads.label"),
            how: words.text("phone.keep.heads.how", { tab: words.text("phone.app.tabs.scan") }),
          })
        }
      >
        {words.text("heads.page.own")}
      </button>
      <button type="button" onClick={() => void handOut([file])}>
        {words.text("phone.keep.heads.file")}
      </button>
    </div>
  );
}

/** A name that every file system takes. */
function fileName(origin: string): string {
  return origin.replace(/[^a-z0-9.-]/gi, "_").slice(0, 60);
}
