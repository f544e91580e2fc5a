/** Keeps the active cell, its mode and its cursor, which a replaced cell would lose. */
import { type NotebookPanel } from '@jupyterlab/notebook';

/** Remember the active cell, mode and cursor. Returns the function that restores them. */
export function keptPlace(panel: NotebookPanel): () => void {
  const notebook = panel.content;
  const { activeCell: cell, mode } = notebook;
  const id = cell?.model.id;
  const editor = cell?.editor;
  const cursor = editor?.hasFocus() === true ? editor.getCursorPosition() : null;
  return () => {
    const index = notebook.widgets.findIndex(widget => widget.model.id === id);
    if (index >= 0) {
      notebook.activeCellIndex = index;
      if (cursor !== null) {
        notebook.mode = mode;
      }
      // If the cell was not replaced, setting the cursor would interrupt an input method.
      const isSame = notebook.activeCell === cell && editor?.hasFocus() === true;
      if (cursor !== null && !isSame) {
        placeCursor(notebook.activeCell?.editor ?? null, cursor);
      }
    }
  };
}

type Editor = NonNullable<NotebookPanel['content']['widgets'][number]['editor']>;

/** Focus an editor, and put its cursor as near to the old position as the new text allows. */
function placeCursor(
  editor: Editor | null,
  { line, column }: ReturnType<Editor['getCursorPosition']>
): void {
  if (editor !== null) {
    editor.focus();
    const at = Math.min(line, editor.lineCount - 1);
    const length = editor.getLine(at)?.length ?? 0;
    editor.setCursorPosition({ line: at, column: Math.min(column, length) });
  }
}
