/** Turns a cell into context of a message. Pure. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { cellText, errorOfText } from '../text/texts';
import { type NotebookCell } from './values';

export interface CellContext {
  readonly name: string;
  readonly text: string;
  /**
   * The notebook, the cell and its part. Names are not unique: two notebooks may have equal names of cells.
   */
  readonly id: string;
  readonly origin: string;
}

/** The source of a cell, and its traceback or, without an error, its outputs. */
export function contextOf(cell: NotebookCell, trans: TranslationBundle): readonly CellContext[] {
  const name = cellText(cell, trans);
  const output = cell.outputs
    .filter(({ kind }) => kind !== 'chat')
    .map(({ text }) => text)
    .join('\n');
  const { error } = cell;
  const place = `${cell.path}#${cell.cellId}`;
  const origin = cell.path.split('/').at(-1) ?? cell.path;
  return [
    { name, text: cell.source, id: `cell:${place}`, origin },
    error === null
      ? { name: trans.__('Output of %1', name), text: output, id: `output:${place}`, origin }
      : { name: errorOfText(name, trans), text: error.traceback, id: `error:${place}`, origin }
  ].filter(({ text }) => text.trim() !== '');
}
