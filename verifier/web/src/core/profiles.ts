/**
 * Profiles as data: which claims of a kind of credential must be open, and which groups are sealed.
 *
 * The same files as the Python packages read, `credential/profiles/*.json` (docs/protocol.md section 6); they are
 * part of the page, as constant as code, and checked where they are read in Python.
 */

import companion from "../../../../credential/profiles/companion.json" with { type: "json" };
import identity from "../../../../credential/profiles/identity.json" with { type: "json" };
import { unsupported } from "./errors.ts";

/** What a reader needs of a profile. */
export interface Profile {
  readonly vct: string;
  /** Names of the claims that must be open on every code. */
  readonly mustOpen: readonly string[];
  /** The groups that are sealed, each once, in the order of the claims. */
  readonly sealedGroups: readonly string[];
}

const PROFILES: ReadonlyMap<string, Profile> = new Map(
  [companion, identity].map(({ vct, claims }) => [
    vct,
    {
      vct,
      mustOpen: claims.filter((claim) => claim.must_open).map(({ name }) => name),
      sealedGroups: [...new Set(claims.filter((claim) => !claim.must_open).map(({ group }) => group))],
    },
  ]),
);

/** Return a profile that is part of the page; throws unsupported where there is none of that name. */
export function builtInProfile(vct: string): Profile {
  const profile = PROFILES.get(vct);
  if (!profile) throw unsupported("the profile is not known here", "vct");
  return profile;
}
