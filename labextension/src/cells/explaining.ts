/**
 * Adds the commands that ask the chat of a notebook about one of the notebook's cells.
 *
 * | command | arguments |
 * |---|---|
 * | `chat-stream:explain-cell`, `chat-stream:fix-cell` | `path?` and `cellId?`; default: the active cell |
 */
import { type JupyterFrontEnd } from '@jupyterlab/application';
import { type INotebookTracker } from '@jupyterlab/notebook';
import { type TranslationBundle } from '@jupyterlab/translation';

import { COMMANDS as PANEL_COMMANDS } from '../panel/commands';
import { chatIcon } from '../panel/icon';
import { contextOf } from '../workspace/context';
import { type NotebookCell, type Place, type Workspace } from '../workspace/values';

export const COMMANDS = {
  explain: 'chat-stream:explain-cell',
  fix: 'chat-stream:fix-cell'
} as const;

export interface ExplainingOptions {
  readonly app: JupyterFrontEnd;
  readonly tracker: INotebookTracker;
  readonly workspace: Workspace;
  readonly trans: TranslationBundle;
  /** Whether the person's settings show these commands at cells. */
  readonly areWanted: () => boolean;
}

type Purpose = keyof typeof COMMANDS;
type CellArgs = Readonly<Record<string, unknown>>;

const TEXT = { type: 'string' } as const;

/** Add the two commands to the page. */
export function addExplaining(options: ExplainingOptions): void {
  const { app, trans } = options;
  const labels = { explain: trans.__('Explain This Cell'), fix: trans.__('Fix This Cell') };
  for (const purpose of ['explain', 'fix'] as const) {
    app.commands.addCommand(COMMANDS[purpose], {
      describedBy: {
        args: {
          type: 'object',
          properties: { path: TEXT, cellId: TEXT, toolbar: { type: 'boolean' } }
        }
      },
      label: args => (args['toolbar'] === true ? '' : labels[purpose]),
      caption: labels[purpose],
      icon: chatIcon,
      isEnabled: () => options.tracker.currentWidget !== null,
      isVisible: args => args['toolbar'] !== true || options.areWanted(),
      execute: args => ask(options, purpose, args)
    });
  }
}

/** Open the chat of the cell's notebook, and put the cell, its error and a question into the composer. */
async function ask(options: ExplainingOptions, purpose: Purpose, args: CellArgs): Promise<void> {
  const { app, trans, workspace } = options;
  const place = placeOf(options, args);
  const cell = place === null ? null : workspace.cell(place);
  if (place === null || cell === null) {
    return;
  }
  await app.commands.execute(PANEL_COMMANDS.openForNotebook, {
    path: place.path,
    draft: questionOf(purpose, cell, trans),
    context: contextOf(cell, trans).map(item => ({ ...item }))
  });
}

function placeOf({ tracker }: ExplainingOptions, args: CellArgs): Place | null {
  const { path, cellId } = args;
  if (typeof path === 'string' && typeof cellId === 'string') {
    return { path, cellId };
  }
  const panel = tracker.currentWidget;
  const active = panel?.content.activeCell ?? null;
  return panel === null || active === null
    ? null
    : { path: panel.context.path, cellId: active.model.id };
}

function questionOf(purpose: Purpose, cell: NotebookCell, trans: TranslationBundle): string {
  const hasError = cell.error !== null;
  if (purpose === 'explain') {
    return hasError
      ? trans.__('Explain this error and what causes it.')
      : trans.__('Explain what this cell does.');
  }
  return hasError
    ? trans.__('Fix this error. Write the whole corrected cell.')
    : trans.__('Find and fix what is wrong in this cell. Write the whole corrected cell.');
}
