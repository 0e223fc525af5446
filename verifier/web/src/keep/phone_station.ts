/**
 * The station that a phone is: its pins, its lists and its settings, in IndexedDB and nothing else.
 *
 * One door in (`receive`), one way out to the network (`sync`), and nothing of any scan in either. What the phone kept
 * is verified at each start; until then there is no list. `watch` tells when anything of this changed.
 */

import { MAX_BUNDLE_SIZE } from "../core/bundle.ts";
import { CodedError, unsupported } from "../core/errors.ts";
import { BUNDLE_KIND, DELTA_KIND, HEAD_KIND, joinFrames } from "../core/frames.ts";
import { parseHeadFile } from "../core/heads.ts";
import { parsePin, type Pin } from "../core/pin.ts";
import type { TrustedList } from "../core/trusted_list.ts";
import { openDatabase } from "./database.ts";
import { type Fetch, fetchBytes } from "./fetching.ts";
import { type Found, Kept } from "./kept.ts";
import { believeLedger, followDelta, type Ledger, originOfBundle, originOfDelta, takePin } from "./ledger.ts";
import type { Activity, ForkOutcome, ListOutcome, Offer, Outcome, PinOutcome, ReceiveOutcome, SyncOutcome } from "./outcomes.ts";
import { isSameLedger, relatePin } from "./pins.ts";
import { FIRST_SETTINGS, parseSettings, type Settings } from "./settings.ts";
import { type MadeList, Shelf } from "./shelf.ts";
import { codesInFile, isFrame, isPicture, PIN_KIND, sniffKind } from "./sniff.ts";
import type { EvidenceFile, PinSource, Store, StoreProblem } from "./store.ts";
import { syncStation } from "./sync.ts";

/** Pins that wait at the same time; nobody compares more, and a screen that shows codes could go on for ever. */
const OFFERS_MAX = 16;

/** The world outside, given so that tests have another one. */
export interface Outside {
  readonly openStore: () => Promise<Store>;
  readonly fetch: Fetch;
  readonly nowS: () => number;
  /** Let the screen be drawn before something long. */
  readonly pause: () => Promise<void>;
  /** Ask the browser not to clear what is kept when room runs out. */
  readonly persist: () => Promise<boolean>;
}

const BROWSER: Outside = {
  openStore: openDatabase,
  fetch: (address, init) => fetch(address, init),
  nowS: () => Math.floor(Date.now() / 1000),
  pause: () => new Promise((done) => setTimeout(done, 30)),
  persist: async () => (await navigator.storage?.persist?.()) ?? false,
};

export class PhoneStation {
  readonly #outside: Outside;
  readonly #kept: Kept;
  readonly #shelf: Shelf;
  readonly #watchers = new Set<() => void>();
  readonly #dataUsed: Map<string, number>;
  #settings: Settings;
  #offers: readonly Offer[] = [];
  #others: readonly Pin[] = [];
  #activity: Activity | undefined;
  #news: Outcome | undefined;
  #syncing: { readonly stop: AbortController; readonly done: Promise<SyncOutcome> } | undefined;

  private constructor(outside: Outside, kept: Kept, found: Found) {
    this.#outside = outside;
    this.#kept = kept;
    this.#shelf = new Shelf(kept, found);
    this.#dataUsed = new Map(found.dataUsed);
    this.#settings = parseSettings(found.settings);
  }

  /**
   * Open what the phone keeps and verify it; a phone that has had no list yet asks the station that serves this page for
   * one, at the first visit and at each later one until it is in.
   */
  static async open(outside: Partial<Outside> = {}): Promise<PhoneStation> {
    const world = { ...BROWSER, ...outside };
    const { kept, found } = await Kept.open(world.openStore);
    const station = new PhoneStation(world, kept, found);
    if (station.#isWithoutFirstList) void station.sync();
    return station;
  }

  get settings(): Settings {
    return this.#settings;
  }

  /** The lists at hand, verified. */
  get lists(): readonly TrustedList[] {
    return this.ledgers.flatMap(({ trusted }) => (trusted ? [trusted] : []));
  }

  /** Every ledger that is believed, also those without a list, by origin. */
  get ledgers(): readonly Ledger[] {
    return this.#shelf.ledgers;
  }

  /** Why what happens now is forgotten when the page is closed; undefined where it is kept. */
  get storeProblem(): StoreProblem | undefined {
    return this.#kept.problem;
  }

  /** Whether something that was kept is no ledger at all; it is not used. */
  get hasBrokenRecords(): boolean {
    return this.#shelf.hasBroken;
  }

  /** Both sides of every contradiction that was found; none on a good day. */
  get evidence(): readonly EvidenceFile[] {
    return this.#shelf.evidence;
  }

  /** Pins that wait for somebody to say yes. */
  get offers(): readonly Offer[] {
    return this.#offers;
  }

  /** Other ledgers that the serving station named under origins that are believed; they were not taken. */
  get others(): readonly Pin[] {
    return this.#others;
  }

  get activity(): Activity | undefined {
    return this.#activity;
  }

  /** Whether a synchronisation runs, which `stopSync` ends. */
  get isSyncing(): boolean {
    return this.#syncing !== undefined;
  }

  /** What became of the last thing that came in during this visit. */
  get news(): Outcome | undefined {
    return this.#news;
  }

  /** Bytes that lists have cost in this month of the phone's clock. */
  get dataUsedBytes(): number {
    return this.#dataUsed.get(this.#month()) ?? 0;
  }

  async save(settings: Settings): Promise<void> {
    this.#settings = settings;
    this.#changed();
    await this.#kept.saveSettings(settings);
    this.#changed();
  }

  /**
   * Take in what came by file, by codes or by sharing, and say what became of it; `kind` is that of frames, "pin", or
   * "file" for what only its bytes can say. Never throws for what outside bytes can cause.
   */
  async receive(kind: string, bytes: Uint8Array): Promise<ReceiveOutcome> {
    let outcome: ReceiveOutcome;
    try {
      outcome = await this.#take(kind, bytes);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      outcome = { kind: "refused", code: error.code, field: error.field };
    } finally {
      this.#activity = undefined;
    }
    // The scanner is asked next, and says what it finds.
    return outcome.kind === "for_scanner" ? outcome : this.#said(outcome);
  }

  /** Take in a file that was chosen for the station, as `receiveShared`; what is the scanner's is said too. */
  async receiveFile(kind: string, file: Blob): Promise<ReceiveOutcome> {
    return this.#said(await this.receiveShared(file, kind));
  }

  /** Take in a file, as `receive`; one that is larger than any list, or that is gone, is refused unread. */
  async receiveShared(file: Blob, kind = "file"): Promise<ReceiveOutcome> {
    if (file.size > MAX_BUNDLE_SIZE) return this.#said({ kind: "refused", code: "too_large", field: "file" });
    const data = await file.arrayBuffer().catch(() => undefined);
    if (!data) return this.#said({ kind: "refused", code: "malformed", field: "file" });
    return this.receive(kind, new Uint8Array(data));
  }

  /** Believe a ledger, after somebody has compared it. Throws bad_input where another one of this origin is believed. */
  async believe(pin: Pin, source: PinSource = "taken"): Promise<void> {
    await this.#shelf.change(pin.origin, (ledger) => {
      if (!ledger) return believeLedger(pin, source);
      if (isSameLedger(ledger.pin, pin)) return takePin(ledger, pin);
      throw new CodedError("bad_input", "the station believes another ledger of this origin", "pin");
    });
    this.#persist();
    // Other pins under this name can be believed no longer.
    this.#offers = this.#offers.filter((offer) => offer.pin.origin !== pin.origin);
    this.#changed();
    if (!this.#settings.asksForFirstList) await this.save({ ...this.#settings, asksForFirstList: true });
  }

  /** Take a pin off those that wait. */
  decline(pin: Pin): void {
    this.#offers = this.#offers.filter((offer) => !isSameLedger(offer.pin, pin));
    this.#changed();
  }

  /** Believe a ledger no longer, and remove its list. */
  async forget(origin: string): Promise<void> {
    await this.#shelf.change(origin, () => undefined);
    // What somebody removed does not come back by itself.
    if (!this.ledgers.length) await this.save({ ...this.#settings, asksForFirstList: false });
    this.#changed();
  }

  /**
   * Fetch pins and lists from the station that serves this page; called after a tap, and at the first visit. A second
   * call while one runs waits for that one. `whole` fetches whole lists, also where daily deltas are less data.
   */
  async sync({ whole = false }: { readonly whole?: boolean } = {}): Promise<SyncOutcome> {
    if (this.#syncing) return this.#syncing.done;
    const stop = new AbortController();
    const done = this.#sync(stop.signal, whole);
    this.#syncing = { stop, done };
    try {
      return await done;
    } finally {
      this.#syncing = undefined;
      this.#activity = undefined;
      this.#changed();
    }
  }

  /** End a synchronisation that runs; what was verified before stays. */
  stopSync(): void {
    this.#syncing?.stop.abort();
  }

  /** Let no list be replaced by a synchronisation that runs; where there is none at all, the first one may come. */
  holdLists(): void {
    if (this.lists.length) this.stopSync();
  }

  dismissNews(): void {
    this.#news = undefined;
    this.#changed();
  }

  /** Remove all that the phone keeps of the station. The page is of no use afterwards, until it is loaded anew. */
  async removeEverything(): Promise<void> {
    this.stopSync();
    this.#watchers.clear();
    this.#shelf.clear();
    this.#dataUsed.clear();
    this.#offers = this.#others = [];
    this.#news = this.#activity = undefined;
    this.#settings = FIRST_SETTINGS;
    await this.#kept.wipe();
  }

  /** Call `changed` whenever lists or settings changed; returns how to stop. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  /** Whether no list was ever here: nothing was taken in by hand, removed, or damaged. */
  get #isWithoutFirstList(): boolean {
    const isOnlyServed = this.ledgers.every(({ record }) => record.source === "served" && !record.bundle);
    return isOnlyServed && !this.hasBrokenRecords && this.#settings.asksForFirstList;
  }

  #said<T extends ReceiveOutcome>(outcome: T): T {
    this.#news = outcome;
    this.#changed();
    return outcome;
  }

  async #take(kind: string, bytes: Uint8Array): Promise<ReceiveOutcome> {
    switch (kind === "file" ? kindOfFile(bytes) : kind) {
      case "scanner":
        return { kind: "for_scanner" };
      case "frames": {
        const joined = joinFrames(codesInFile(bytes) ?? []);
        return this.#take(joined.kind === "file" ? "" : joined.kind, joined.message);
      }
      case BUNDLE_KIND: {
        const [only, ...further] = this.ledgers;
        return this.#takeList(only && !further.length ? only.record.origin : originOfBundle(bytes), () => ({
          data: bytes,
          deltas: [],
        }));
      }
      case DELTA_KIND:
        return this.#takeList(originOfDelta(bytes), ({ record }) => {
          const { data, applied } = followDelta(record.bundle, bytes);
          return { data, deltas: [applied] };
        });
      case PIN_KIND:
        return this.#offerPin(parsePin(new TextDecoder().decode(bytes)), "taken");
      case HEAD_KIND:
        return this.#shelf.compare(parseHeadFile(bytes));
      default:
        throw unsupported("a message of another kind", "kind");
    }
  }

  async #takeList(origin: string, make: (ledger: Ledger) => MadeList): Promise<ListOutcome | ForkOutcome> {
    if (!this.ledgers.length) throw new CodedError("bad_input", "the station has no pin", "pin");
    this.#busy({ step: "checking", origin, receivedBytes: 0, totalBytes: undefined });
    await this.#outside.pause();
    const outcome = await this.#shelf.take(origin, make);
    this.#persist();
    return outcome;
  }

  /** A pin that came in is not believed because it came in: somebody compares it first. */
  #offerPin(pin: Pin, source: PinSource): PinOutcome {
    const relation = relatePin(this.#shelf.pins, pin);
    const isWaiting = this.#offers.some((offer) => isSameLedger(offer.pin, pin));
    if (relation === "new" && !isWaiting) {
      if (this.#offers.length >= OFFERS_MAX) throw new CodedError("bad_input", "too many pins wait already", "pin");
      this.#offers = [...this.#offers, { pin, source }];
    }
    return { kind: "pin", origin: pin.origin, result: relation === "new" ? "offered" : relation };
  }

  /** A pin of the serving station: taken where none is believed yet, and else only looked at. */
  async #meetPin(pin: Pin, isFirst: boolean): Promise<"known" | "taken" | "offered" | "other"> {
    if (isFirst) {
      await this.believe(pin, "served");
      return "taken";
    }
    const { result } = this.#offerPin(pin, "served");
    const isSaid = this.#others.some((other) => isSameLedger(other, pin));
    if (result === "other" && !isSaid) this.#others = [...this.#others, pin];
    return result;
  }

  async #sync(signal: AbortSignal, whole: boolean): Promise<SyncOutcome> {
    const isFirst = !this.ledgers.length;
    let total = 0;
    this.#others = [];
    const get = async (address: string, capBytes: number, origin: string) => {
      let received = 0;
      this.#busy({ step: "asking", origin, receivedBytes: 0, totalBytes: undefined });
      const onBytes = (piece: number, totalBytes: number | undefined) => {
        received += piece;
        total += piece;
        this.#busy({ step: "fetching", origin, receivedBytes: received, totalBytes });
      };
      try {
        return await fetchBytes(this.#outside.fetch, address, { capBytes, signal, onBytes });
      } finally {
        await this.#addDataUsed(received);
      }
    };
    const outcome = await syncStation(
      {
        ledger: (origin) => this.#shelf.ledger(origin),
        meetPin: (pin) => this.#meetPin(pin, isFirst),
        take: async (origin, made) => (await this.#takeList(origin, () => made)).kind,
        get,
        receivedBytes: () => total,
      },
      whole,
    );
    this.#news = outcome;
    return outcome;
  }

  async #addDataUsed(bytes: number): Promise<void> {
    if (!bytes) return;
    const month = this.#month();
    this.#dataUsed.set(month, (this.#dataUsed.get(month) ?? 0) + bytes);
    await this.#kept.addDataUsed(month, bytes);
  }

  #persist(): void {
    if (!this.#kept.problem) void this.#outside.persist().catch(() => false);
  }

  #busy(activity: Activity): void {
    this.#activity = activity;
    this.#changed();
  }

  #month(): string {
    return new Date(this.#outside.nowS() * 1000).toISOString().slice(0, 7);
  }

  #changed(): void {
    for (const changed of this.#watchers) changed();
  }
}

/** Return what `receive` takes a file for. Throws unsupported for what is no business of a station. */
function kindOfFile(bytes: Uint8Array): string {
  const codes = codesInFile(bytes);
  if (codes) return codes.every(isFrame) ? "frames" : "scanner";
  return isPicture(bytes) ? "scanner" : sniffKind(bytes);
}
