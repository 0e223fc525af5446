/** The origin of a ledger, a name like an address: where the screen is narrow it is broken after a dot or a slash. */

import { Fragment } from "preact";

export function Origin({ origin }: { readonly origin: string }) {
  return (
    <bdi dir="ltr">
      {origin.split(/(?<=[./])/).map((part, place) => (
        <Fragment key={place}>
          {part}
          <wbr />
        </Fragment>
      ))}
    </bdi>
  );
}
