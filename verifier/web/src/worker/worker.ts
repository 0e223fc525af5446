/**
 * The service worker: the page from this phone, and nothing else.
 *
 * It answers for the files of one fixed list (files.ts) and leaves every other request to the network, uncached. Each
 * file is checked against the list before it is kept. A newer page waits until the old one says "take". Files that are
 * shared with the page pass through memory.
 *
 * Messages from the page: {"type": "take"}, and {"type": "shared"} with a port, on which the files are answered.
 */

import { CACHE_START, PAGE, type PageFile, type PageFiles, pathFor } from "./files.ts";

declare const self: ServiceWorkerGlobalScope;
/** Written in when the page is built. */
declare const PAGE_FILES: PageFiles;

const LIST = PAGE_FILES;
const CACHE = CACHE_START + LIST.version;
const KNOWN: ReadonlySet<string> = new Set(LIST.files.map(({ path }) => path));
const SHARE_PATH = "share";
/** Shared files that the page does not fetch are let go. */
const SHARED_MAX_MS = 60_000;
const SHARED_MAX_FILES = 16;
const AT_ONCE = 4;

let shared: readonly (File | string)[] = [];

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (isShare(request)) {
    event.respondWith(takeShared(request));
    return;
  }
  const path = pathFor(request, self.registration.scope, KNOWN);
  if (path !== undefined) event.respondWith(answer(request, path));
});
self.addEventListener("message", (event) => {
  const message = event.data as { type?: unknown } | null;
  if (message?.type === "take") event.waitUntil(self.skipWaiting());
  if (message?.type === "shared") {
    event.ports[0]?.postMessage(shared);
    shared = [];
  }
});

/** Keep all files of the list, or fail and leave everything as it was. */
async function install(): Promise<void> {
  const old = await Promise.all((await ownCaches()).map((name) => caches.open(name)));
  const cache = await caches.open(CACHE);
  const left = [...LIST.files];
  try {
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let file = left.shift(); file; file = left.shift()) await keep(cache, file, old);
      }),
    );
  } catch (error) {
    left.length = 0;
    await caches.delete(CACHE);
    throw error;
  }
}

/** Keep one file: as an older version of the page has it, else as the browser fetched it, else from the server. */
async function keep(cache: Cache, file: PageFile, old: readonly Cache[]): Promise<void> {
  const address = addressOf(file.path);
  // The page itself comes with the rules of its own server (Content-Security-Policy), so it is never taken over.
  if (file.path !== PAGE) {
    for (const before of old) {
      const found = await before.match(address);
      if (found && (await isGood(found, file))) {
        await cache.put(address, found);
        return;
      }
    }
  }
  for (const from of ["default", "reload"] as const) {
    const response = await fetch(address, { cache: from, credentials: "omit", redirect: "error" });
    if (response.ok && (await isGood(response, file))) {
      await cache.put(address, response);
      return;
    }
  }
  throw new Error("a file of the page is not the one that belongs to it");
}

async function isGood(response: Response, { sha256 }: PageFile): Promise<boolean> {
  const digest = await crypto.subtle.digest("SHA-256", await response.clone().arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

/** Remove older versions, and answer for pages that are open already. */
async function activate(): Promise<void> {
  const old = (await ownCaches()).filter((name) => name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

async function answer(request: Request, path: string): Promise<Response> {
  // A browser that ran out of room may have cleared the cache, and a page may have removed everything: to open it would
  // make it anew.
  return (await caches.match(addressOf(path), { cacheName: CACHE })) ?? fetch(request);
}

/** Take files that another app shares into memory, and open the page, which asks for them. */
async function takeShared(request: Request): Promise<Response> {
  try {
    const form = await request.formData();
    const parts = [...form.getAll("files"), ...form.getAll("text")];
    shared = parts.filter((part) => typeof part !== "string" || part !== "").slice(0, SHARED_MAX_FILES);
    setTimeout(() => {
      shared = [];
    }, SHARED_MAX_MS);
  } catch {
    shared = [];
  }
  return Response.redirect(self.registration.scope, 303);
}

function isShare({ url, method }: Request): boolean {
  return method === "POST" && url === addressOf(SHARE_PATH);
}

function addressOf(path: string): string {
  return new URL(path, self.registration.scope).href;
}

async function ownCaches(): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(CACHE_START));
}
