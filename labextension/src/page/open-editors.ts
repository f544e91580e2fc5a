/** Which files the tabs of this page may save: nobody else changes such a file (L17). */
import { type JupyterFrontEnd } from '@jupyterlab/application';
import { type NotebookPanel } from '@jupyterlab/notebook';

/** Whether a tab shows a file: if it is no notebook, a text editor that would save over a change. */
export function hasEditor(
  { shell, serviceManager: { contents } }: JupyterFrontEnd,
  path: string
): boolean {
  const shown = contents.localPath(path);
  return [...shell.widgets('main')].some(
    widget =>
      !widget.isDisposed &&
      (widget as Partial<Pick<NotebookPanel, 'context'>>).context?.localPath === shown
  );
}
