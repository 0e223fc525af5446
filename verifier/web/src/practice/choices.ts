/** What may be done with a practice card: the choices, in the order in which they are shown. */

export type Choice = "right" | "other" | "another";

/** Fixed, so that a card looks the same to everybody who talks about it; the right one has no place of its own. */
const ORDERS: { readonly [card: string]: readonly Choice[] } = {
  age: ["other", "right", "another"],
  stale: ["another", "other", "right"],
  withdrawn: ["right", "another", "other"],
  replaced: ["other", "another", "right"],
  altered: ["another", "right", "other"],
  together: ["right", "other", "another"],
};

/** Return the choices of a card; a card without an order of its own has the plain one. */
export function choicesOf(card: string): readonly Choice[] {
  return ORDERS[card] ?? ["right", "other", "another"];
}
