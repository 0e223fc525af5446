/**
 * Fetching from the station that serves this page: streamed, capped, with progress, and given up when it stalls.
 *
 * Only `sync` of `phone_station.ts` calls this, and only after a tap or at the first visit. Nothing is sent along: no
 * cookie, no referrer, no name.
 */

/** Why nothing came. */
export type FetchProblem = "not_reachable" | "stopped" | "too_large";

export class FetchError extends Error {
  readonly problem: FetchProblem;

  constructor(problem: FetchProblem) {
    super(`nothing was fetched: ${problem}`);
    this.name = "FetchError";
    this.problem = problem;
  }
}

/** No byte for so long, and the line is given up. A slow line that moves is not. */
export const STALL_TIMEOUT_MS = 30_000;

export type Fetch = (address: string, init: RequestInit) => Promise<Response>;

export interface FetchRules {
  readonly capBytes: number;
  readonly signal: AbortSignal;
  /** Called with the bytes of each piece as it comes, and with how many there will be where the answer says so. */
  readonly onBytes: (pieceBytes: number, totalBytes: number | undefined) => void;
  readonly stallTimeoutMs?: number;
}

/**
 * Return the body of an answer with the status 200, undefined for 404.
 *
 * Throws FetchError: not_reachable for any other status, an answer of another address, or a line that stalls;
 * too_large above the cap; stopped where the signal says so.
 */
export async function fetchBytes(fetch: Fetch, address: string, rules: FetchRules): Promise<Uint8Array | undefined> {
  const ending = new AbortController();
  const end = () => ending.abort();
  const patience = rules.stallTimeoutMs ?? STALL_TIMEOUT_MS;
  let timer = setTimeout(end, patience);
  const moving = () => {
    clearTimeout(timer);
    timer = setTimeout(end, patience);
  };
  rules.signal.addEventListener("abort", end);
  try {
    if (rules.signal.aborted) throw new FetchError("stopped");
    const response = await fetch(address, {
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: ending.signal,
    });
    moving();
    if (response.status === 404) return undefined;
    if (response.status !== 200 || !response.body) throw new FetchError("not_reachable");
    return await readBody(response, rules, moving);
  } catch (error) {
    if (error instanceof FetchError) throw error;
    throw new FetchError(rules.signal.aborted ? "stopped" : "not_reachable");
  } finally {
    clearTimeout(timer);
    rules.signal.removeEventListener("abort", end);
    // Whatever ended this, the rest is not read.
    end();
  }
}

async function readBody(response: Response, rules: FetchRules, moving: () => void): Promise<Uint8Array> {
  const announced = Number(response.headers.get("content-length") ?? Number.NaN);
  // Of a compressed answer the length is another than that of what is read.
  const isPlain = (response.headers.get("content-encoding") ?? "identity") === "identity";
  const total = isPlain && Number.isSafeInteger(announced) && announced >= 0 ? announced : undefined;
  if (total !== undefined && total > rules.capBytes) throw new FetchError("too_large");
  const pieces: Uint8Array[] = [];
  let size = 0;
  const reader = response.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    moving();
    size += value.length;
    rules.onBytes(value.length, total);
    if (size > rules.capBytes) throw new FetchError("too_large");
    pieces.push(value);
  }
  // A line that was cut looks like an end to some browsers.
  if (total !== undefined && size !== total) throw new FetchError("not_reachable");
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
