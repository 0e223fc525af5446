/** The camera's screen: reads codes until told to stop. */

import { useWords } from "../words/words.ts";

export interface ScanProps {
  /** Called once for each text that is read; the same text again within a moment is not told twice. */
  readonly onText: (text: string) => void;
  /** Shown above the picture, such as "Now the adult's card". */
  readonly task?: string | undefined;
  /** Progress of numbered frames, where some were read. */
  readonly progress?: { readonly done: number; readonly count: number } | undefined;
}

export function ScanScreen(_props: ScanProps) {
  const words = useWords();
  return <p>{words.text("phone.scan.title")}</p>;
}
