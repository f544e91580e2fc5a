/** Tells which files a tab of this page may save. Such a file is changed only in its tab (L17). */
import { type JupyterFrontEnd } from '@jupyterlab/application';
import { type IDocumentManager } from '@jupyterlab/docmanager';

type Context = NonNullable<ReturnType<IDocumentManager['contextForWidget']>>;

/**
 * Whether a tab may save a file: its document can be typed into, or has unsaved changes.
 *
 * `documents` is null in a page without documents.
 */
export function hasEditor(
  { shell, serviceManager: { contents } }: JupyterFrontEnd,
  documents: IDocumentManager | null,
  path: string
): boolean {
  if (documents === null) {
    return false;
  }
  const localPath = contents.localPath(path);
  return [...shell.widgets('main')].some(widget => {
    const context = widget.isDisposed ? undefined : documents.contextForWidget(widget);
    return context?.localPath === localPath && maySave(context, documents);
  });
}

/** Whether a document may be saved. A widget of a read-only factory is a preview of it. */
function maySave({ path, model }: Context, documents: IDocumentManager): boolean {
  const isTypedInto = [...documents.registry.widgetFactories()].some(
    ({ name, readOnly }) => readOnly !== true && documents.findWidget(path, name) !== undefined
  );
  return isTypedInto || model.dirty; // a closed editor may have left unsaved changes
}
