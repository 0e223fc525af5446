/** What `tools/languages.ts` reads from the language files when the page is built. */
declare module "virtual:languages" {
  import type { Language } from "./words.ts";

  /** English first, the others by code. */
  export const languages: readonly Language[];
  /** Section "phone.words" of the master: what is said in English as well, for who was sent to help. */
  export const english: { readonly language: string; readonly not_reviewed: string };
}
