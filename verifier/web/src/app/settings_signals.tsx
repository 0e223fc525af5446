/** How a result is told: on the screen, by sound, and in the hand; each can be tried. */

import { Switch } from "../practice/fields.tsx";
import { buzzOf, type Pulses, pulsesOf, STATES } from "../show/looks.ts";
import { canVibrate, signal, unlockSound, vibrate } from "../show/signals.ts";
import { stateWords } from "../words/tell.ts";
import { useWords } from "../words/words.ts";
import type { PartProps } from "./settings_screen.tsx";

const PULSES: readonly Pulses[] = [1, 2, 3];
/** The state whose sound is tried: the one that is heard most. */
const TRIED = "confirmed";

export function SignalsPart({ draft, change }: PartProps) {
  const words = useWords();
  const trySound = () => {
    unlockSound();
    signal(TRIED, { ...draft, sound: true, vibration: false, discreet: false });
  };
  return (
    <section>
      <h2>{words.text("phone.settings.signals")}</h2>
      <Switch
        label={words.text("phone.settings.discreet")}
        hint={words.text("phone.settings.discreet_hint")}
        isOn={draft.discreet}
        onSwitch={(discreet) => change({ ...draft, discreet })}
      />
      <Switch
        label={words.text("phone.settings.sound")}
        hint={words.text("phone.settings.sound_hint")}
        isOn={draft.sound}
        onSwitch={(sound) => change({ ...draft, sound })}
      />
      <button type="button" onClick={trySound}>
        {words.text("phone.settings.try_sound")}
      </button>
      <Switch
        label={words.text("phone.settings.vibration")}
        hint={canVibrate() ? words.text("phone.settings.vibration_hint") : words.text("phone.settings.no_vibration")}
        isOn={draft.vibration}
        onSwitch={(vibration) => change({ ...draft, vibration })}
      />
      <h3>{words.text("phone.settings.pulses_title")}</h3>
      <dl class="pulses">
        {PULSES.map((count) => (
          <PulsesRow count={count} key={count} />
        ))}
      </dl>
    </section>
  );
}

/** What a number of pulses means, which words of the screen it stands for, and how it feels. */
function PulsesRow({ count }: { readonly count: Pulses }) {
  const words = useWords();
  const states = STATES.filter((state) => pulsesOf(state) === count).reverse();
  return (
    <div>
      <dt>
        <PulsesPicture count={count} />
        <span>{words.text("phone.settings.pulses", { count })}</span>
      </dt>
      <dd>
        <p>{words.text(`phone.settings.meaning_${count}`)}</p>
        <ul class="pulses-states">
          {states.map((state) => (
            <li key={state}>{stateWords(state, words).word}</li>
          ))}
        </ul>
        {canVibrate() && (
          <button type="button" onClick={() => vibrate(buzzOf(states[0] ?? "", true))}>
            {words.text("phone.settings.try_pulses", { count })}
          </button>
        )}
      </dd>
    </div>
  );
}

function PulsesPicture({ count }: { readonly count: Pulses }) {
  return (
    <svg class="pulses-picture" viewBox="0 0 48 16" aria-hidden="true">
      {PULSES.slice(0, count).map((place) => (
        <rect x={(place - 1) * 16 + 2} y="2" width="10" height="12" rx="3" fill="currentColor" key={place} />
      ))}
    </svg>
  );
}
