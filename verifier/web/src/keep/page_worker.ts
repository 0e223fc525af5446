/**
 * The page's side of the service worker: starting it, a newer page that waits, and files that were shared.
 *
 * A newer page is never taken on its own. `take` is for a tap, on a screen that shows no check.
 */

import { workerAddress } from "./trusted_types.ts";

/** What was shared: files, and the texts of codes. Pictures and texts are the scanner's, the rest is `receive`'s. */
export type Shared = readonly (File | string)[];

const SHARED_TIMEOUT_MS = 3_000;

export class PageWorker {
  readonly #watchers = new Set<() => void>();
  #registration: ServiceWorkerRegistration | undefined;
  #isTaking = false;

  /** Whether a newer page is ready. */
  get isNewerReady(): boolean {
    return this.#registration?.waiting != null && navigator.serviceWorker.controller !== null;
  }

  /** Whether the page is kept on this phone, so that it opens without a network. */
  get isKept(): boolean {
    return this.#registration?.active != null;
  }

  /** Start the worker; a browser without one, or an address that it allows none for, is a page that needs the network. */
  async start(): Promise<void> {
    if (!("serviceWorker" in navigator)) return;
    navigator.serviceWorker.addEventListener("controllerchange", () => {
      if (this.#isTaking) window.location.reload();
      this.#changed();
    });
    try {
      const registration = await navigator.serviceWorker.register(workerAddress(), { updateViaCache: "none" });
      this.#registration = registration;
      registration.addEventListener("updatefound", () => this.#follow(registration.installing));
      this.#follow(registration.installing);
    } catch {
      // Said where it matters: `isKept` stays false.
    }
    this.#changed();
  }

  /** Ask the server for a newer page; called with a synchronisation, never on its own. */
  async look(): Promise<void> {
    await this.#registration?.update().catch(() => {});
  }

  /** Take the newer page: the page is loaded anew. */
  take(): void {
    this.#isTaking = true;
    this.#registration?.waiting?.postMessage({ type: "take" });
  }

  /** Return what was shared with the page since it was last asked; nothing where there is no worker. */
  async shared(): Promise<Shared> {
    const worker = "serviceWorker" in navigator ? navigator.serviceWorker.controller : null;
    if (!worker) return [];
    const { port1, port2 } = new MessageChannel();
    const answer = new Promise<Shared>((done) => {
      port1.onmessage = ({ data }) => done(Array.isArray(data) ? (data as Shared) : []);
      setTimeout(done, SHARED_TIMEOUT_MS, []);
    });
    worker.postMessage({ type: "shared" }, [port2]);
    const shared = await answer;
    port1.close();
    return shared;
  }

  /** Call `changed` when a newer page is ready, or the page is kept; returns how to stop. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  #follow(worker: ServiceWorker | null): void {
    worker?.addEventListener("statechange", () => this.#changed());
  }

  #changed(): void {
    for (const changed of this.#watchers) changed();
  }
}

export const pageWorker = new PageWorker();

/** Remove the page itself from the phone: every cache of this origin and every worker below this address. */
export async function removePage(): Promise<void> {
  // The worker first: one that is being installed would fill its cache again.
  const registrations = (await navigator.serviceWorker?.getRegistrations().catch(() => [])) ?? [];
  await Promise.all(registrations.map((registration) => registration.unregister().catch(() => false)));
  const names = "caches" in window ? await caches.keys().catch(() => []) : [];
  await Promise.all(names.map((name) => caches.delete(name)));
}
