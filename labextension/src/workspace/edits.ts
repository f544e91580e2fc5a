/**
 * Edits of an open notebook, each one step for Undo (L17).
 *
 * They go through the document that the page has open, so the person's typing is in it already. The
 * undo history is cut before and after an edit: otherwise Undo would also take back what was typed
 * within half a second of it.
 */
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import { type CellDraft } from './blocks';
import { type FoundCell } from './cells';
import { asOneStep } from './one-step';

/** Insert a cell and make it the active one. Returns its id. */
export function insertCell(panel: NotebookPanel, index: number, draft: CellDraft): string {
  const { model } = panel.content;
  if (model === null) {
    throw new Error('The notebook has no model.');
  }
  const { sharedModel } = model;
  const id = asOneStep(sharedModel, () =>
    sharedModel
      .insertCell(index, {
        cell_type: draft.kind,
        source: draft.source,
        metadata: draft.kind === 'code' ? { trusted: true } : {}
      })
      .getId()
  );
  showCell(panel, index);
  return id;
}

/** Replace the source of a cell, and make it the active one. */
export function replaceSource(panel: NotebookPanel, cell: FoundCell, source: string): void {
  const { sharedModel } = cell.widget.model;
  asOneStep(sharedModel, () => sharedModel.setSource(source));
  showCell(panel, cell.index);
}

/** Replace what is selected in a cell's editor; without an editor, add to the end of the cell. */
export function insertAtCursor(panel: NotebookPanel, cell: FoundCell, text: string): void {
  const { widget, index } = cell;
  const { sharedModel } = widget.model;
  const { editor } = widget;
  asOneStep(sharedModel, () => {
    if (editor?.replaceSelection !== undefined) {
      editor.replaceSelection(text);
    } else {
      const end = sharedModel.getSource().length;
      sharedModel.updateSource(end, end, text);
    }
  });
  panel.content.activeCellIndex = index;
  panel.content.deselectAll();
  panel.content.mode = 'edit';
}

/** Run a cell that is the active one, as its notebook's Run command does. */
export function runActiveCell(panel: NotebookPanel): void {
  void NotebookActions.run(panel.content, panel.sessionContext);
}

/** Move the focus to the active cell: in edit mode into its editor. */
export function focusActiveCell(panel: NotebookPanel): void {
  const notebook = panel.content;
  if (notebook.mode === 'edit') {
    notebook.activeCell?.editor?.focus();
  } else {
    void NotebookActions.focusActiveCell(notebook, { waitUntilReady: true, preventScroll: true });
  }
}

/** Make a cell the active one, in command mode: Z takes it back, Shift+Enter runs it. */
function showCell(panel: NotebookPanel, index: number): void {
  const notebook = panel.content;
  notebook.mode = 'command';
  notebook.activeCellIndex = index;
  notebook.deselectAll();
  void notebook.scrollToItem(index, 'smart');
}
