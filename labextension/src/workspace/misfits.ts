/** Why a proposal does not fit a notebook as it is now, cell by cell. Pure. */
import { type CellEdit, type CellPlace, versionOf } from './cell-edits';

/** A cell as far as edits are checked against it; other fields do not matter. */
export interface CheckedCell {
  readonly id: string;
  readonly [field: string]: unknown;
}

/** Why nothing can be changed in a notebook, whatever its cells are. */
export type Obstacle = 'readonly' | 'editor' | 'unreadable';

/** A notebook as it is now. */
export interface CheckedCells {
  readonly cells: readonly CheckedCell[];
  isRunning(cell: string): boolean;
  readonly obstacle?: Obstacle | null;
}

/**
 * `there`: a new cell has the id of another one. `editable` and `deletable` name the metadata that
 * protects the cell.
 */
export type MisfitReason = 'there' | 'gone' | 'changed' | 'editable' | 'deletable' | 'running';

export interface Misfit {
  /** The cell of the edit that does not fit. */
  readonly cell: string;
  /** The cell that the reason is about: the same, or the one beside its new place. */
  readonly about: string;
  readonly reason: MisfitReason;
}

/** All that does not fit, in the order of the edits. If there is anything, nothing is made (L17). */
export function misfitsOf(list: CheckedCells, edits: readonly CellEdit[]): readonly Misfit[] {
  const known = new Map(list.cells.map(cell => [cell.id, cell]));
  const there = new Set(known.keys());
  const misfits: Misfit[] = [];
  for (const edit of edits) {
    const { cell } = edit;
    const reason =
      edit.op !== 'insert'
        ? reasonOf(known.get(cell), edit, list)
        : there.has(cell)
          ? 'there'
          : null;
    there.add(cell);
    const place: CellPlace | null = 'place' in edit ? edit.place : null;
    if (reason !== null) {
      misfits.push({ cell, about: cell, reason });
    } else if (place !== null && 'cell' in place && !there.has(place.cell)) {
      misfits.push({ cell, about: place.cell, reason: 'gone' });
    }
  }
  return misfits;
}

/** The source of a cell, which files also write as a list of lines. */
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
