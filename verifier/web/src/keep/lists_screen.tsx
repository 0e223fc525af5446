/** The lists at hand: how old they are, getting newer ones, handing them on, comparing heads. */

import type { PhoneStation } from "./phone_station.ts";

export interface ListsProps {
  readonly station: PhoneStation;
  readonly onDone: () => void;
  /** Read the numbered codes of a colleague's screen with the camera. */
  readonly onScan: () => void;
}

export function ListsScreen(_props: ListsProps) {
  return <p>lists</p>;
}
