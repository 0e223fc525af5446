/** What a phone keeps about its station; nothing of any person. */

/** Where the station stands; it decides what is set at first. */
export type Post = "border" | "shelter" | "desk";
export const POSTS: readonly Post[] = ["border", "shelter", "desk"];

export interface Settings {
  /** Code of a language file. */
  readonly language: string;
  /** Undefined before the first run is over. */
  readonly post: Post | undefined;
  /** Whether the five practice cards were passed. */
  readonly practised: boolean;
  readonly discreet: boolean;
  readonly sound: boolean;
  readonly vibration: boolean;
  readonly staleAfterDays: number;
  /** The station's name, which a key binding must be for; "" accepts none. */
  readonly audience: string;
  /** Whom to call: free words and a number, as the station wrote them; "" for none. */
  readonly helpName: string;
  readonly helpPhone: string;
  /** Whether a phone without any list asks its station for the first one; not after somebody removed the last ledger. */
  readonly asksForFirstList: boolean;
}

export const FIRST_SETTINGS: Settings = {
  language: "",
  post: undefined,
  practised: false,
  discreet: false,
  sound: false,
  vibration: true,
  staleAfterDays: 7,
  audience: "",
  helpName: "",
  helpPhone: "",
  asksForFirstList: true,
};

/** Settings of a post: a shelter is discreet. */
export function settingsOfPost(settings: Settings, post: Post): Settings {
  return { ...settings, post, discreet: post === "shelter" };
}

/** Return settings as they were kept; a value that is missing or of another form is the first one. */
export function parseSettings(value: unknown): Settings {
  if (typeof value !== "object" || value === null) return FIRST_SETTINGS;
  const kept = Object.entries(value).filter(([name, is]) => isSetting(name, is));
  return { ...FIRST_SETTINGS, ...Object.fromEntries(kept) };
}

function isSetting(name: string, value: unknown): boolean {
  if (name === "post") return POSTS.some((post) => post === value);
  if (name === "staleAfterDays") return Number.isSafeInteger(value) && Number(value) > 0;
  return name in FIRST_SETTINGS && typeof value === typeof FIRST_SETTINGS[name as keyof Settings];
}
