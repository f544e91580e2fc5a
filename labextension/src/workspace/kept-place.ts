/** The active cell, its mode and its cursor, which a replaced cell loses. */
import { type NotebookPanel } from '@jupyterlab/notebook';

/** Remember them; the function returned restores them. */
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
      // In the same cell, a cursor that is set again would end what an input method composes.
      const isSame = notebook.activeCell === cell && editor?.hasFocus() === true;
      if (cursor !== null && !isSame) {
        placeCursor(notebook.activeCell?.editor ?? null, cursor);
      }
    }
  };
}

type Editor = NonNullable<NotebookPanel['content']['widgets'][number]['editor']>;

/** Focus an editor, with its cursor where it was, or as near as the new text allows. */
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
