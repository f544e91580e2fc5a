/**
 * The notebooks of the page, as the commands of the panel use them.
 *
 * Cells are found by their id, because the active cell may be another one by then.
 */
import { type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';

import { MIME_TYPE } from '../address';

type Cell = NonNullable<INotebookTracker['activeCell']>;

/** A text that goes with the next message. */
export interface ContextItem {
  readonly name: string;
  readonly text: string;
}

/** So many characters of the outputs of a cell go with a message. */
const MAX_OUTPUT_CHARS = 10_000;

/** The notebook that was used last; null if none is open. */
export function currentNotebook(tracker: INotebookTracker | null): NotebookPanel | null {
  return tracker?.currentWidget ?? null;
}

/** The active cell of the current notebook as a text; null without a notebook. */
export function activeCellItem(
  tracker: INotebookTracker | null,
  name: (index: number) => string
): ContextItem | null {
  const panel = currentNotebook(tracker);
  const cell = panel?.content.activeCell ?? null;
  if (panel === null || cell === null) {
    return null;
  }
  const text = [cell.model.sharedModel.getSource(), outputText(cell)].filter(Boolean).join('\n\n');
  return { name: name(panel.content.activeCellIndex + 1), text };
}

/** The outputs of a cell as text, without those that are chats. */
function outputText(cell: Cell): string {
  const model = cell.model.toJSON();
  const outputs: readonly unknown[] = Array.isArray(model['outputs']) ? model['outputs'] : [];
  const texts = outputs.map(output => textOfOutput(output as Readonly<Record<string, unknown>>));
  const text = texts.filter(Boolean).join('\n').trim();
  const cut = text.slice(0, MAX_OUTPUT_CHARS);
  return cut === '' ? '' : `Output:\n${cut}${cut.length < text.length ? '…' : ''}`;
}

const COLOURS = /\u001b\[[0-9;]*m/g;

function textOfOutput(output: Readonly<Record<string, unknown>>): string {
  const data = (output['data'] ?? {}) as Readonly<Record<string, unknown>>;
  if (MIME_TYPE in data) {
    return '';
  }
  const traceback = output['traceback'];
  const text = output['text'] ?? data['text/plain'] ?? traceback ?? '';
  const joined = Array.isArray(text) ? text.join(text === traceback ? '\n' : '') : text;
  return typeof joined === 'string' ? joined.replace(COLOURS, '') : '';
}

/** Focus the notebook again: the cell around `from`, or the cell that was active. */
export function focusCell(panel: NotebookPanel, from: Element | null): void {
  const notebook = panel.content;
  const index = notebook.widgets.findIndex(cell => cell.node.contains(from));
  if (index !== -1) {
    notebook.activeCellIndex = index;
  }
  notebook.mode = 'command';
  notebook.activate();
}

/** The composer in an output of the active cell; null if that cell shows no chat. */
export function composerInCell(tracker: INotebookTracker | null): HTMLElement | null {
  const cell = currentNotebook(tracker)?.content.activeCell ?? null;
  return cell?.node.querySelector<HTMLElement>('[data-testid=field]:not(:disabled)') ?? null;
}
