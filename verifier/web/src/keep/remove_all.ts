/** Removing all traces of the page from this phone, without a network: what is kept, its caches and its worker. */

import { deleteDatabase } from "./database.ts";
import { removePage } from "./page_worker.ts";
import type { PhoneStation } from "./phone_station.ts";

/** Remove everything. It goes on where one part fails: what can be removed is. */
export async function removeAll(station: PhoneStation): Promise<void> {
  await station.removeEverything().catch(() => {});
  await deleteDatabase().catch(() => {});
  await removePage().catch(() => {});
  // Nothing of ours is there; a browser in which something else of this address is, is emptied of it too.
  for (const storage of [() => localStorage, () => sessionStorage]) {
    try {
      storage().clear();
    } catch {
      // A browser that forbids storage keeps none.
    }
  }
}
