/**
 * Functions for the notebooks of the page, used by the panel's commands.
 */
import { type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';

/** The last used notebook; null if no notebook is open. */
export function currentNotebook(tracker: INotebookTracker | null): NotebookPanel | null {
  return tracker?.currentWidget ?? null;
}

/** Focus a notebook again: the cell that contains `from`, or the active cell. */
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
