/** The fixed list of files that the page is made of, written into the worker when the page is built (build/worker.ts). */

/** One file: its address below the page's own, and the SHA-256 of its bytes in hex. */
export interface PageFile {
  readonly path: string;
  readonly sha256: string;
}

export interface PageFiles {
  /** The first 16 hex digits of the SHA-256 over all paths and hashes. */
  readonly version: string;
  readonly files: readonly PageFile[];
}

/** The page itself, which answers every address below its own that is opened. */
export const PAGE = "index.html";
/** What the names of our caches begin with; others on this origin are not ours. */
export const CACHE_START = "station-page-";

/**
 * Return the path of the list that answers a request, undefined where the network does.
 *
 * `scope` is the address of the page's folder. A question mark asks the server something; no file of the page does.
 */
export function pathFor(
  request: { readonly url: string; readonly method: string; readonly mode: string },
  scope: string,
  known: ReadonlySet<string>,
): string | undefined {
  const { origin, pathname, search } = new URL(request.url);
  const place = new URL(scope);
  if (request.method !== "GET" || origin !== place.origin || !pathname.startsWith(place.pathname)) return undefined;
  if (request.mode === "navigate") return PAGE;
  const path = pathname.slice(place.pathname.length);
  return search === "" && known.has(path) ? path : undefined;
}
