/** The fixed list of files that the page is made of, written into the worker when the page is built (tools/worker.ts). */

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

/** The page itself, which stands at the folder's own address. */
export const PAGE = "index.html";
/** What the names of our caches begin with; others on this origin are not ours. */
export const CACHE_START = "station-page-";

/**
 * Return the path of the list that answers a request, undefined where the network does.
 *
 * `scope` is the address of the page's folder. Screens have no addresses, so opening any other one below it, such as the
 * station's certificate, is the server's. A question mark asks the server something; no file of the page does.
 */
export function pathFor(
  request: { readonly url: string; readonly method: string; readonly mode: string },
  scope: string,
  known: ReadonlySet<string>,
): string | undefined {
  const { origin, pathname, search } = new URL(request.url);
  const place = new URL(scope);
  if (request.method !== "GET" || origin !== place.origin || !pathname.startsWith(place.pathname)) return undefined;
  const path = pathname.slice(place.pathname.length);
  if (request.mode === "navigate" && (path === "" || path === PAGE)) return PAGE;
  return search === "" && known.has(path) ? path : undefined;
}
