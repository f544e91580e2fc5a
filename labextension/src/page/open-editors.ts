/** Which files the tabs of this page may save: nobody else changes such a file (L17). */
import { type JupyterFrontEnd } from '@jupyterlab/application';
import { type IDocumentManager } from '@jupyterlab/docmanager';

type Context = NonNullable<ReturnType<IDocumentManager['contextForWidget']>>;

/**
 * Whether a tab may save over a change of a file: a document that can be typed into, or one with
 * changes that are not saved. `documents` is null in a page without documents.
 */
export function hasEditor(
  { shell, serviceManager: { contents } }: JupyterFrontEnd,
  documents: IDocumentManager | null,
  path: string
): boolean {
  if (documents === null) {
    return false;
  }
  const shown = contents.localPath(path);
  return [...shell.widgets('main')].some(widget => {
    const context = widget.isDisposed ? undefined : documents.contextForWidget(widget);
    return context?.localPath === shown && maySave(context, documents);
  });
}

/** As JupyterLab sees it at closing: what a read-only factory has made is a preview. */
function maySave({ path, model }: Context, documents: IDocumentManager): boolean {
  const isTypedInto = [...documents.registry.widgetFactories()].some(
    ({ name, readOnly }) => readOnly !== true && documents.findWidget(path, name) !== undefined
  );
  return isTypedInto || model.dirty; // the changes of an editor that was closed without saving
}
