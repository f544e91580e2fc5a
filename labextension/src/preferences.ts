/** What a person has set for all chats of the page. JupyterLab's settings are its only source. */

/** Whether Enter sends, or begins a line; Shift+Enter does the other. */
export type EnterKey = 'send' | 'newline';

export interface PreferenceValues {
  readonly enterKey: EnterKey;
}

const DEFAULTS: PreferenceValues = { enterKey: 'send' };

export class Preferences {
  /** The present values; the same object until one changes. */
  readonly get = (): PreferenceValues => this._values;

  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  };

  /** Take over the settings, as JupyterLab has them; an unknown value counts as the default. */
  read(settings: Readonly<Record<string, unknown>>): void {
    const enterKey: EnterKey = settings['enterKey'] === 'newline' ? 'newline' : DEFAULTS.enterKey;
    if (enterKey !== this._values.enterKey) {
      this._values = { enterKey };
      [...this._listeners].forEach(listener => listener());
    }
  }

  private readonly _listeners = new Set<() => void>();
  private _values = DEFAULTS;
}
