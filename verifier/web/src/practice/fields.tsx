/** Fields that the first run and the settings share. */

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { Settings } from "../keep/settings.ts";
import { useWords } from "../words/words.ts";
import "./fields.css";

const NAME_MAX = 80;
const PHONE_MAX = 40;

export interface FieldProps {
  readonly label: string;
  readonly hint?: string | undefined;
  /** What is wrong with what was filled in; undefined where nothing is. */
  readonly problem?: string | undefined;
  readonly children: (names: FieldNames) => ComponentChildren;
}

/** The attributes that tie a field to its label, its hint and its problem. */
export interface FieldNames {
  readonly id: string;
  readonly "aria-describedby": string;
  readonly "aria-invalid": boolean;
}

/** A label, its field and what helps to fill it in. */
export function Field({ label, hint, problem, children }: FieldProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, "aria-describedby": `${id}-hint ${id}-problem`, "aria-invalid": problem !== undefined })}
      <p class="soft" id={`${id}-hint`}>
        {hint}
      </p>
      <p class="problem" id={`${id}-problem`} role="status">
        {problem}
      </p>
    </div>
  );
}

export interface TextFieldProps {
  readonly label: string;
  readonly hint?: string;
  readonly problem?: string | undefined;
  readonly value: string;
  readonly maxLength: number;
  readonly inputMode?: "text" | "tel";
  readonly onValue: (value: string) => void;
}

/** A line of text that the browser is not to remember. */
export function TextField({ label, hint, problem, value, maxLength, inputMode = "text", onValue }: TextFieldProps) {
  return (
    <Field label={label} hint={hint} problem={problem}>
      {(names) => (
        <input
          {...names}
          type="text"
          inputMode={inputMode}
          value={value}
          maxLength={maxLength}
          autoComplete="off"
          spellcheck={false}
          dir="auto"
          onInput={(event) => onValue(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

/** Whom to call. */
export function HelpFields({ settings, onSettings }: { readonly settings: Settings; readonly onSettings: (s: Settings) => void }) {
  const words = useWords();
  return (
    <>
      <TextField
        label={words.text("phone.settings.help_name")}
        hint={words.text("phone.settings.help_hint")}
        value={settings.helpName}
        maxLength={NAME_MAX}
        onValue={(helpName) => onSettings({ ...settings, helpName })}
      />
      <TextField
        label={words.text("phone.settings.help_phone")}
        inputMode="tel"
        value={settings.helpPhone}
        maxLength={PHONE_MAX}
        onValue={(helpPhone) => onSettings({ ...settings, helpPhone })}
      />
    </>
  );
}

export interface SwitchProps {
  readonly label: string;
  readonly hint?: string;
  readonly isOn: boolean;
  readonly isDisabled?: boolean;
  readonly onSwitch: (isOn: boolean) => void;
}

/** Something that is on or off; the whole line can be touched. */
export function Switch({ label, hint, isOn, isDisabled = false, onSwitch }: SwitchProps) {
  const id = useId();
  return (
    <div class="switch">
      <label>
        <input
          type="checkbox"
          checked={isOn}
          disabled={isDisabled}
          aria-describedby={`${id}-hint`}
          onChange={(event) => onSwitch(event.currentTarget.checked)}
        />
        <span>{label}</span>
      </label>
      <p class="soft" id={`${id}-hint`}>
        {hint}
      </p>
    </div>
  );
}
