/**
 * The stable codes that a station meets, and the result state that each leads to (docs/protocol.md, section 10).
 *
 * A part of the one table, `ledger/codes.py`; a test holds the two together.
 */

export const CODES = {
  malformed: "unreadable",
  too_large: "unreadable",
  unsupported: "unreadable",
  bad_signature: "altered",
  bad_disclosure: "altered",
  not_listed: "not_listed",
  out_of_scope: "not_listed",
  unknown_issuer: "unknown_issuer",
  no_bundle: "unknown_issuer",
  withdrawn: "withdrawn",
  suspended: "suspended",
  key_distrusted: "suspended",
  status_unknown: "suspended",
  replaced: "replaced",
  expired: "expired",
  incomplete: "incomplete",
  bad_key_binding: "incomplete",
  not_yet_listed: "not_yet_listed",
  stale: "confirmed_stale",
  quarantined: "",
  not_yet_valid: "",
  clock_wrong: "",
  companion_ended: "",
  bundle_invalid: "",
  fork: "",
  place_taken: "",
  stale_action: "",
  bad_transition: "",
  rate_limited: "",
  bad_checkpoint: "",
  bad_input: "",
  wrong_secret: "",
} as const;

export type Code = keyof typeof CODES;
