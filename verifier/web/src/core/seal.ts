/** Seal: the last entry of an epoch says what the ledger means there (docs/protocol.md section 5). */

import type { Value } from "./cbor.ts";
import { parseBytes, parseMap, parseUint } from "./fields.ts";

/** Body of a seal; `statusDigest` and `governHead` as of entry `index` - 1. */
export interface Seal {
  readonly index: number;
  readonly chain: Uint8Array;
  readonly registryDigest: Uint8Array;
  readonly statusDigest: Uint8Array;
  readonly timeMs: number;
  readonly governHead: Uint8Array;
}

export function parseSeal(value: Value): Seal {
  const body = parseMap(value, [1, 2, 3, 4, 5, 6], "seal");
  return {
    index: parseUint(body.get(1), "seal.index"),
    chain: parseBytes(body.get(2), 32, "seal.chain"),
    registryDigest: parseBytes(body.get(3), 32, "seal.registry_digest"),
    statusDigest: parseBytes(body.get(4), 32, "seal.status_digest"),
    timeMs: parseUint(body.get(5), "seal.time_ms"),
    governHead: parseBytes(body.get(6), 32, "seal.govern_head"),
  };
}
