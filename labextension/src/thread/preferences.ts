/** What a person has set for all chats of the page. JupyterLab's settings are its only source. */

import { type ToolMode } from '../protocol/records';
import { Store } from '../state/store';

/** Whether Enter sends, or begins a line; Shift+Enter does the other. */
export type EnterKey = 'send' | 'newline';

export interface PreferenceValues {
  readonly enterKey: EnterKey;
  /** Whether messages send their notebook along in threads for which nobody has chosen. */
  readonly notebookContext: boolean;
  /** The mode of the tools in chats that this page begins. */
  readonly toolMode: ToolMode;
}

const DEFAULTS: PreferenceValues = { enterKey: 'send', notebookContext: false, toolMode: 'ask' };
const MODES: readonly unknown[] = ['ask', 'accept_edits', 'read_only'];

export class Preferences extends Store<PreferenceValues> {
  constructor() {
    super(DEFAULTS);
  }

  /** Take over the settings, as JupyterLab has them; an unknown value counts as the default. */
  read(settings: Readonly<Record<string, unknown>>): void {
    const { enterKey, notebookContext, toolMode } = settings;
    const values: PreferenceValues = {
      enterKey: enterKey === 'newline' ? enterKey : DEFAULTS.enterKey,
      notebookContext: notebookContext === true,
      toolMode: MODES.includes(toolMode) ? (toolMode as ToolMode) : DEFAULTS.toolMode
    };
    if (JSON.stringify(values) !== JSON.stringify(this._state)) {
      this._replace(values);
    }
  }
}
