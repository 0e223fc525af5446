/** What came from elsewhere, as text of its own: a personal name, an issuer, a place. */

/**
 * A text whose language and direction nobody knows: its direction is found from its own letters (`bdi`), and a
 * screen reader is not told that it is of the page's language.
 */
export function Name({ children }: { readonly children: string }) {
  return <bdi lang="">{children}</bdi>;
}
