/** The cells of a notebook as a model reads them: with id, index and version. Bounded. Pure. */
import { versionOf } from './cell-edits';
import { outputTexts } from './outputs';
import { sourceOf } from './misfits';
import { type FileCell } from './proposals';

/** The most bytes of cells in a result. The server accepts 256 kB, with the JSON around the cells. */
const MOST_READ_BYTES = 200_000;
/** The most bytes together with the cells for which the result has only the length. */
const MOST_BYTES = 240_000;
/** The most characters of the outputs of one cell. */
const MOST_OUTPUT_CHARS = 4_000;

export interface ReadCells {
  readonly cells: readonly object[];
  /** How many cells are missing completely, for lack of space. */
  readonly more_cells?: number;
}

/** Read the wanted cells; null means all cells. */
export function readCells(
  fileCells: readonly FileCell[],
  ids: readonly unknown[] | null
): ReadCells {
  const selection = [...fileCells.entries()].filter(
    ([, cell]) => ids === null || ids.includes(cell.id)
  );
  const cells: object[] = [];
  let [usedBytes, isFull] = [0, false];
  for (const [index, cell] of selection) {
    const wholeEntry = entryOf(index, cell);
    const size = bytesOf(wholeEntry);
    isFull ||= usedBytes + size > MOST_READ_BYTES;
    const entry = isFull ? leftOut(index, cell, size <= MOST_READ_BYTES) : wholeEntry;
    usedBytes += bytesOf(entry);
    if (usedBytes > MOST_BYTES) {
      return { cells, more_cells: selection.length - cells.length };
    }
    cells.push(entry);
  }
  return { cells };
}

function entryOf(index: number, cell: FileCell): object {
  const { id, cell_type: type, execution_count, outputs } = cell;
  const source = sourceOf(cell);
  const texts = Array.isArray(outputs) ? outputTexts(outputs) : [];
  const output = texts.map(({ text }) => text).join('\n');
  const excerpt = output.slice(0, MOST_OUTPUT_CHARS);
  return {
    index,
    id,
    type,
    version: versionOf(source),
    source,
    ...(type === 'code' ? { execution_count: execution_count ?? null } : {}),
    ...(excerpt === '' ? {} : { output: excerpt }),
    ...(excerpt.length < output.length ? { output_chars: output.length } : {})
  };
}

function leftOut(index: number, cell: FileCell, isReadable: boolean): object {
  const { id, cell_type: type } = cell;
  const advice = isReadable ? 'read this cell alone' : 'too many to be read';
  return { index, id, type, left_out: `${sourceOf(cell).length} characters; ${advice}` };
}

/** The size of a value as the server counts it: the bytes of its JSON. */
function bytesOf(value: object): number {
  return new TextEncoder().encode(JSON.stringify(value)).length + 1;
}
