/**
 * Errors: one class with a stable code, the field that failed, and a sentence for people.
 *
 * `code` is a name of `codes.ts`; `detail` never holds personal data or bytes of a credential. Everything
 * that outside bytes can cause is a `CodedError`; any other exception is a defect of this program.
 */

import type { Code } from "./codes.ts";

export class CodedError extends Error {
  readonly code: Code;
  readonly detail: string;
  readonly field: string;
  /** Step of docs/protocol.md section 9 that failed, for bundle_invalid; 0 for what is done with a bundle later. */
  readonly step: number;

  constructor(code: Code, detail: string, field = "", step = 0) {
    super(`${code}: ${detail}${field ? ` [${field}]` : ""}`);
    this.name = "CodedError";
    this.code = code;
    this.detail = detail;
    this.field = field;
    this.step = step;
  }
}

/** Outside bytes are not in the one allowed form. */
export function malformed(detail: string, field: string): CodedError {
  return new CodedError("malformed", detail, field);
}

/** Outside bytes are larger than the protocol allows. */
export function tooLarge(detail: string, field: string): CodedError {
  return new CodedError("too_large", detail, field);
}

/** An algorithm, type or version that is not supported. */
export function unsupported(detail: string, field: string): CodedError {
  return new CodedError("unsupported", detail, field);
}

/** A trust bundle cannot be trusted and is not used; `step` of docs/protocol.md section 9. */
export function bundleInvalid(step: number, detail: string, field: string): CodedError {
  return new CodedError("bundle_invalid", detail, field, step);
}
