/** A person's settings for all chats of the page. They come only from JupyterLab's settings. */

import { type ToolMode } from '../protocol/records';
import { Store } from '../state/store';

/** Whether Enter sends the message or begins a new line; Shift+Enter does the opposite. */
export type EnterKey = 'send' | 'newline';

export interface PreferenceValues {
  readonly enterKey: EnterKey;
  /** Whether messages send live context in threads without a choice of their own. */
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

  /** Take over JupyterLab's settings; an unknown value counts as the default. */
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
