/** Checks whether a proposal fits a notebook as it is now, cell by cell. Pure. */
import { type CellEdit, type CellPlace, versionOf } from './cell-edits';

/** The fields of a cell against which edits are checked. */
export interface CheckedCell {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** Why no cell of a notebook can be changed. */
export type Obstacle = 'readonly' | 'editor' | 'unreadable';

/** A notebook as it is now. */
export interface CheckedCells {
  readonly cells: readonly CheckedCell[];
  isRunning(cell: string): boolean;
  readonly obstacle?: Obstacle | null;
}

/**
 * `there`: the notebook already has a cell with the id of the new cell. `editable` and `deletable`: this
 * metadata protects the cell.
 */
export type MisfitReason = 'there' | 'gone' | 'changed' | 'editable' | 'deletable' | 'running';

export interface Misfit {
  /** The cell of the edit that does not fit. */
  readonly cell: string;
  /** The cell that the reason is about: the same cell, or the neighbour of its new place. */
  readonly about: string;
  readonly reason: MisfitReason;
}

/** All misfits, in the order of the edits. One misfit prevents the whole proposal (L17). */
export function misfitsOf(list: CheckedCells, edits: readonly CellEdit[]): readonly Misfit[] {
  const cellsById = new Map(list.cells.map(cell => [cell.id, cell]));
  const ids = new Set(cellsById.keys());
  const misfits: Misfit[] = [];
  for (const edit of edits) {
    const { cell } = edit;
    const reason =
      edit.op !== 'insert'
        ? reasonOf(cellsById.get(cell), edit, list)
        : ids.has(cell)
          ? 'there'
          : null;
    ids.add(cell);
    const place: CellPlace | null = 'place' in edit ? edit.place : null;
    if (reason !== null) {
      misfits.push({ cell, about: cell, reason });
    } else if (place !== null && 'cell' in place && !ids.has(place.cell)) {
      misfits.push({ cell, about: place.cell, reason: 'gone' });
    }
  }
  return misfits;
}

/** The source of a cell; in files it may be a list of lines. */
export function sourceOf({ source }: Readonly<Record<string, unknown>>): string {
  return Array.isArray(source) ? source.join('') : typeof source === 'string' ? source : '';
}

function reasonOf(
  cell: CheckedCell | undefined,
  edit: Exclude<CellEdit, { op: 'insert' }>,
  list: CheckedCells
): MisfitReason | null {
  if (cell === undefined) {
    return 'gone';
  }
  if (edit.op !== 'move') {
    const lock = edit.op === 'delete' ? 'deletable' : 'editable';
    const metadata = cell['metadata'] as Readonly<Record<string, unknown>> | undefined;
    if (versionOf(sourceOf(cell)) !== edit.version) {
      return 'changed';
    }
    if (metadata?.[lock] === false) {
      return lock;
    }
  }
  return list.isRunning(cell.id) ? 'running' : null;
}
