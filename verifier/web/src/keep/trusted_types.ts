/**
 * Trusted Types: the one place where the page makes an address that is run as a script.
 *
 * The Content-Security-Policy (`require-trusted-types-for 'script'; trusted-types safeconduct`) allows a policy of this
 * name once and no other, and the policy lets through the service worker and nothing else.
 */

interface Factory {
  createPolicy(name: string, rules: { createScriptURL(address: string): string }): {
    createScriptURL(address: string): unknown;
  };
}

const WORKER = "./worker.js";

/** Return the address of the service worker, as `register` takes it. */
export function workerAddress(): string {
  const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
  const policy = factory?.createPolicy("safeconduct", {
    createScriptURL(address) {
      if (address !== WORKER) throw new TypeError("not a script of this page");
      return address;
    },
  });
  // Browsers without Trusted Types take the text; the types of those that have them know no other spelling.
  return (policy ? policy.createScriptURL(WORKER) : WORKER) as string;
}
