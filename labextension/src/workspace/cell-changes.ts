/** The change of each cell by a proposal, as a person sees it. Pure. */
import { type CellEdit, type CellPlace, cellsOf } from './cell-edits';
import { type DiffLine, lineDiff } from './line-diff';
import {
  type CheckedCells,
  type MisfitReason,
  type Obstacle,
  misfitsOf,
  sourceOf
} from './misfits';
import { type CellKind } from './values';

export interface CellChange {
  /** The id of the cell. */
  readonly cell: string;
  readonly kind: 'change' | 'delete' | 'move' | 'insert';
  /** The current number of the cell, from 1; null if this page does not know the notebook. */
  readonly number: number | null;
  /** Where a new or moved cell is put; null for other cells. */
  readonly place: CellPlace | null;
  /** The number, from 1, of the cell that `place` names; null if that cell is new or not known. */
  readonly besideNumber: number | null;
  readonly isBesideNew: boolean;
  /** The type of a new cell. */
  readonly type: CellKind | null;
  /** The lines that differ; empty for a cell that only moves. */
  readonly lines: readonly DiffLine[];
  /** Why the whole proposal cannot be made; null if this change fits. */
  readonly misfit: MisfitReason | Obstacle | null;
}

/** The changes of a proposal, one for each cell. `notebook` is null if this page does not know it. */
export function changesOf(
  edits: readonly CellEdit[],
  notebook: CheckedCells | null
): readonly CellChange[] {
  const newIds = new Set(edits.filter(edit => edit.op === 'insert').map(edit => edit.cell));
  const misfits = notebook === null ? [] : misfitsOf(notebook, edits);
  const numberOf = (cell: string): number | null => {
    const index = notebook?.cells.findIndex(({ id }) => id === cell) ?? -1;
    return index < 0 ? null : index + 1;
  };
  return cellsOf(edits).map(cell => {
    const cellEdits = edits.filter(edit => edit.cell === cell);
    const number = numberOf(cell);
    const cellNow = number === null ? undefined : notebook?.cells[number - 1];
    const place =
      cellEdits.map(edit => ('place' in edit ? edit.place : null)).find(isGiven) ?? null;
    const neighbour = place !== null && 'cell' in place ? place.cell : null;
    const insertion = cellEdits.find(edit => edit.op === 'insert');
    return {
      cell,
      kind: kindOf(cellEdits),
      number,
      place,
      besideNumber: neighbour === null ? null : numberOf(neighbour),
      isBesideNew: neighbour !== null && newIds.has(neighbour),
      type: insertion?.type ?? null,
      lines: linesOf(cellEdits, cellNow === undefined ? null : sourceOf(cellNow)),
      misfit: notebook?.obstacle ?? misfits.find(misfit => misfit.cell === cell)?.reason ?? null
    };
  });
}

function kindOf(cellEdits: readonly CellEdit[]): CellChange['kind'] {
  const ops = cellEdits.map(edit => edit.op);
  if (ops.includes('insert') || ops.includes('delete')) {
    return ops.includes('insert') ? 'insert' : 'delete';
  }
  return ops.includes('replace') ? 'change' : 'move';
}

function linesOf(cellEdits: readonly CellEdit[], before: string | null): readonly DiffLine[] {
  for (const edit of cellEdits) {
    if (edit.op === 'insert' || edit.op === 'replace') {
      return lineDiff(edit.op === 'insert' ? null : before, edit.source);
    }
    if (edit.op === 'delete') {
      return lineDiff(before, null);
    }
  }
  return [];
}

function isGiven<T>(value: T | null): value is T {
  return value !== null;
}
