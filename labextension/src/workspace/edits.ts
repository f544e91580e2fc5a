/**
 * Edits an open notebook. Each edit is one step for Undo (L17).
 *
 * The edits change the page's open document, which contains all that the person has typed. The undo
 * history is cut before and after an edit: otherwise Undo would also remove text that was typed within
 * half a second of the edit.
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

/** Replace the selection in a cell's editor; without an editor, append to the cell. */
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

/** Run the active cell, as the notebook's Run command does. */
export function runActiveCell(panel: NotebookPanel): void {
  void NotebookActions.run(panel.content, panel.sessionContext);
}

/** Move the focus to the active cell; in edit mode, into its editor. */
export function focusActiveCell(panel: NotebookPanel): void {
  const notebook = panel.content;
  if (notebook.mode === 'edit') {
    notebook.activeCell?.editor?.focus();
  } else {
    void NotebookActions.focusActiveCell(notebook, { waitUntilReady: true, preventScroll: true });
  }
}

/** Make a cell active in command mode, so that Z undoes the edit and Shift+Enter runs the cell. */
function showCell(panel: NotebookPanel, index: number): void {
  const notebook = panel.content;
  notebook.mode = 'command';
  notebook.activeCellIndex = index;
  notebook.deselectAll();
  void notebook.scrollToItem(index, 'smart');
}
