/**
 * Turns a notebook into live context: outline, active cell, and newest error. Pure.
 *
 * Each text is bounded. The model reads the words around the notebook's texts, so they are not translated.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { firstLine } from '../composer/context-items';
import { cellText, errorOfText } from '../text/texts';
import { type LiveItem } from '../thread/live-context';
import { middleCut } from './outputs';
import { type CellError, type NotebookCell } from './values';

/** A cell with a cheap test for an error. */
export interface LiveCell extends NotebookCell {
  readonly hasError: boolean;
}

/** The most characters of each text. */
export const MOST_OUTLINE_CHARS = 8_000;
export const MOST_SOURCE_CHARS = 10_000;
export const MOST_OUTPUT_CHARS = 2_000;
export const MOST_TRACEBACK_CHARS = 6_000;
/** The most characters of one cell in the outline, and of a summary. */
const MOST_LINE_CHARS = 160;

/**
 * The items that a message can take from a notebook. `activeId`: the cell in which the person works, if any.
 */
export function liveItems(
  cells: readonly LiveCell[],
  activeId: string | null,
  trans: TranslationBundle
): readonly LiveItem[] {
  const active = cells.find(({ cellId }) => cellId === activeId);
  const failedCell = newestError(cells);
  const error = failedCell?.error ?? null;
  return [
    ...(cells.length === 0 ? [] : [outlineItem(cells, trans)]),
    ...(active === undefined || active.source.trim() === '' ? [] : [cellItem(active, trans)]),
    ...(failedCell === null || error === null ? [] : [errorItem(failedCell, error, trans)])
  ];
}

/** The cell with the newest error: of the cells with errors, the one that was run last. */
function newestError(cells: readonly LiveCell[]): LiveCell | null {
  const failedCells = cells.filter(({ hasError }) => hasError);
  return failedCells.reduce<LiveCell | null>(
    (newest, cell) =>
      newest === null || (cell.executionCount ?? 0) >= (newest.executionCount ?? 0) ? cell : newest,
    null
  );
}

function outlineItem(cells: readonly LiveCell[], trans: TranslationBundle): LiveItem {
  const { path } = cells[0] ?? { path: '' };
  const headings = cells.flatMap(headingsOf).length;
  const counts = [
    trans._n('%1 cell', '%1 cells', cells.length),
    ...(headings === 0 ? [] : [trans._n('%1 heading', '%1 headings', headings)])
  ];
  return {
    kind: 'outline',
    id: `outline:${path}`,
    name: trans.__('Outline of %1', path.split('/').at(-1) ?? path),
    summary: counts.join(', '),
    core: '',
    text: () => outlineText(path, cells)
  };
}

function outlineText(path: string, cells: readonly LiveCell[]): string {
  const lines = cells.map(cell => {
    const headings = headingsOf(cell).join(' / ');
    const text = headings === '' ? firstLine(cell.source) || '(empty)' : headings;
    return `${cell.index + 1}. ${factsOf(cell)}: ${text.slice(0, MOST_LINE_CHARS)}`;
  });
  const head = `Outline of ${path}: its ${cells.length} cells, in their order. `;
  const legend = 'A code cell has the number of its last run in brackets.';
  return middleCut([head + legend, ...lines].join('\n'), MOST_OUTLINE_CHARS);
}

function factsOf({ kind, executionCount, hasError }: LiveCell): string {
  if (kind !== 'code') {
    return kind;
  }
  const run = executionCount === null ? 'code, not run' : `code [${executionCount}]`;
  return hasError ? `${run}, shows an error` : run;
}

/** The headings of a Markdown cell, without lines of code blocks that look like headings. */
function headingsOf({ kind, source }: NotebookCell): readonly string[] {
  if (kind !== 'markdown') {
    return [];
  }
  let isCode = false;
  return source.split('\n').filter(line => {
    isCode = /^\s{0,3}(```|~~~)/.test(line) ? !isCode : isCode;
    return !isCode && /^\s{0,3}#{1,6}\s+\S/.test(line);
  });
}

function cellItem(cell: LiveCell, trans: TranslationBundle): LiveItem {
  return {
    kind: 'cell',
    id: `cell:${cell.path}#${cell.cellId}`,
    name: cellText(cell, trans),
    summary: firstLine(cell.source),
    core: cell.source,
    text: () => textOfCell(cell)
  };
}

function textOfCell(cell: LiveCell): string {
  const source = middleCut(cell.source, MOST_SOURCE_CHARS);
  // The error is a separate item, and a chat is no output of the cell's code.
  const outputs = cell.outputs.filter(({ kind }) => kind !== 'chat' && kind !== 'error');
  const output = outputs.map(({ text }) => text).join('\n\n');
  const excerpt = output.trim() === '' ? '' : middleCut(output.trim(), MOST_OUTPUT_CHARS);
  const head = `The cell that the person works in, number ${cell.index + 1} of ${cell.path}`;
  return [
    `${head} (${factsOf(cell)}), its source:\n${source}`,
    ...(excerpt === '' ? [] : [`Its output:\n${excerpt}`])
  ].join('\n\n');
}

function errorItem(cell: LiveCell, error: CellError, trans: TranslationBundle): LiveItem {
  const traceback = middleCut(error.traceback, MOST_TRACEBACK_CHARS);
  const message = firstLine(error.message);
  return {
    kind: 'error',
    id: `error:${cell.path}#${cell.cellId}`,
    name: errorOfText(cellText(cell, trans), trans),
    summary: message === '' ? error.name : `${error.name}: ${message}`,
    core: error.traceback,
    text: () =>
      `The newest error in the notebook, of cell number ${cell.index + 1} of ${cell.path} ` +
      `(${factsOf(cell)}):\n${traceback}`
  };
}
