/** What became of something that came in, as the station says it. Nothing here is kept. */

import type { Code } from "../core/codes.ts";
import type { JudgedHead } from "../core/heads.ts";
import type { Pin } from "../core/pin.ts";
import type { FetchProblem } from "./fetching.ts";

/** A list: in use now, as the first of its ledger or in the place of an older one; or the one that is in use already. */
export interface ListOutcome {
  readonly kind: "list";
  readonly origin: string;
  readonly result: "first" | "newer" | "same";
}

/** A pin: believed already; waiting for somebody to say yes; or another ledger under a name that is taken, not taken. */
export interface PinOutcome {
  readonly kind: "pin";
  readonly origin: string;
  readonly result: "known" | "offered" | "other";
}

/** The head of another station beside the list at hand. */
export interface HeadOutcome {
  readonly kind: "head";
  readonly origin: string;
  readonly judged: JudgedHead;
  readonly own: { readonly treeSize: number; readonly rootHash: Uint8Array };
}

/** Two signed lists that contradict each other; both are kept. */
export interface ForkOutcome {
  readonly kind: "fork";
  readonly origin: string;
}

/** Nothing was taken; `code` says why. */
export interface Refusal {
  readonly kind: "refused";
  readonly code: Code;
  readonly field: string;
}

/** A file that is no business of a list: a picture or the text of a card, which the scanner reads. */
export interface ForScanner {
  readonly kind: "for_scanner";
}

export type ReceiveOutcome = ListOutcome | PinOutcome | HeadOutcome | ForkOutcome | Refusal | ForScanner;

/** What a synchronisation did for one ledger. */
export interface SyncedLedger {
  readonly origin: string;
  readonly result: "first" | "newer" | "same" | "no_list" | "fork" | "refused" | "offered" | "other";
  readonly code: Code | undefined;
  /** Daily deltas that were applied; 0 where the whole list came. */
  readonly deltas: number;
  /** Size of the whole list, where it has entries of today that the deltas have not; 0 where nothing is left. */
  readonly leftBytes: number;
}

/** A synchronisation; it never throws. */
export interface SyncOutcome {
  readonly kind: "sync";
  readonly ledgers: readonly SyncedLedger[];
  /** Data used, without the overhead of HTTP. */
  readonly receivedBytes: number;
  readonly problem: FetchProblem | "bad_answer" | undefined;
}

export type Outcome = ReceiveOutcome | SyncOutcome;

/** What the station is busy with; shown with progress. */
export interface Activity {
  readonly step: "asking" | "fetching" | "checking";
  readonly origin: string;
  readonly receivedBytes: number;
  readonly totalBytes: number | undefined;
}

/** A pin that waits for somebody to say yes. */
export interface Offer {
  readonly pin: Pin;
  readonly source: "served" | "taken";
}
