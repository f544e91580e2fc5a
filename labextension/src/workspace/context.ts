/** A cell as context of a message. Pure. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type NotebookCell } from './values';

/** The source of a cell and its traceback; the other outputs, if it has no error. */
export function contextOf(
  cell: NotebookCell,
  trans: TranslationBundle
): readonly { readonly name: string; readonly text: string }[] {
  const number = cell.executionCount ?? cell.index + 1;
  const name =
    cell.executionCount === null ? trans.__('Cell %1', number) : trans.__('Cell [%1]', number);
  const output = cell.outputs
    .filter(({ kind }) => kind !== 'chat')
    .map(({ text }) => text)
    .join('\n');
  const { error } = cell;
  return [
    { name, text: cell.source },
    error === null
      ? { name: trans.__('Output of %1', name), text: output }
      : { name: trans.__('Error of %1', name), text: error.traceback }
  ].filter(({ text }) => text.trim() !== '');
}
