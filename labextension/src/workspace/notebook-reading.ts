/** What a model reads of a notebook's cells: each with its id, index and version. Bounded. Pure. */
import { versionOf } from './cell-edits';
import { outputTexts } from './outputs';
import { sourceOf } from './misfits';
import { type FileCell } from './proposals';

/** So many bytes of cells are read; the server takes 256 kB, which count the JSON around them. */
const MOST_READ_BYTES = 200_000;
/** With the cells of which only the length is told. */
const MOST_BYTES = 240_000;
/** Of the outputs of one cell. */
const MOST_OUTPUT_CHARS = 4_000;

export interface ReadCells {
  readonly cells: readonly object[];
  /** How many cells have no place, not even by name. */
  readonly more_cells?: number;
}

/** Read cells, with null all of them. */
export function readCells(all: readonly FileCell[], wanted: readonly unknown[] | null): ReadCells {
  const chosen = [...all.entries()].filter(
    ([, cell]) => wanted === null || wanted.includes(cell.id)
  );
  const cells: object[] = [];
  let [used, isFull] = [0, false];
  for (const [index, cell] of chosen) {
    const whole = entryOf(index, cell);
    const size = bytesOf(whole);
    isFull ||= used + size > MOST_READ_BYTES;
    const entry = isFull ? leftOut(index, cell, size <= MOST_READ_BYTES) : whole;
    used += bytesOf(entry);
    if (used > MOST_BYTES) {
      return { cells, more_cells: chosen.length - cells.length };
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
  const shown = output.slice(0, MOST_OUTPUT_CHARS);
  return {
    index,
    id,
    type,
    version: versionOf(source),
    source,
    ...(type === 'code' ? { execution_count: execution_count ?? null } : {}),
    ...(shown === '' ? {} : { output: shown }),
    ...(shown.length < output.length ? { output_chars: output.length } : {})
  };
}

function leftOut(index: number, cell: FileCell, isReadable: boolean): object {
  const { id, cell_type: type } = cell;
  const way = isReadable ? 'read this cell alone' : 'too many to be read';
  return { index, id, type, left_out: `${sourceOf(cell).length} characters; ${way}` };
}

/** The size of a value on its way to the server, which counts the bytes of its JSON. */
function bytesOf(value: object): number {
  return new TextEncoder().encode(JSON.stringify(value)).length + 1;
}
