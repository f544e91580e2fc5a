/** What a proposal does to each cell, as a person sees it. Pure. */
import { type CellEdit, type CellPlace, cellsOf, versionOf } from './cell-edits';
import { type DiffLine, lineDiff } from './line-diff';
import { type CellKind } from './values';

/** A cell of the notebook as it is now. */
export interface PresentCell {
  readonly source: string;
  readonly index: number;
}

export interface CellChange {
  /** The id of the cell. */
  readonly cell: string;
  readonly kind: 'change' | 'delete' | 'move' | 'insert';
  /** Its place among the cells now, from 1; null if the notebook is not known here. */
  readonly number: number | null;
  /** Where a new or moved cell is put; null for another one. */
  readonly place: CellPlace | null;
  /** The place, from 1, of the cell that `place` names; null if that one is new or not known. */
  readonly besideNumber: number | null;
  readonly isBesideNew: boolean;
  /** The type of a new cell. */
  readonly type: CellKind | null;
  /** The lines that differ; empty for a cell that only moves. */
  readonly lines: readonly DiffLine[];
  /** Whether the cell has changed since the model has read it, so that nothing will be made. */
  readonly isStale: boolean;
}

/** The changes of a proposal, one for each cell. `find` looks for a cell as it is now. */
export function changesOf(
  edits: readonly CellEdit[],
  find: (cell: string) => PresentCell | null
): readonly CellChange[] {
  const fresh = new Set(edits.filter(edit => edit.op === 'insert').map(edit => edit.cell));
  return cellsOf(edits).map(cell => {
    const own = edits.filter(edit => edit.cell === cell);
    const now = find(cell);
    const place = own.map(edit => ('place' in edit ? edit.place : null)).find(isGiven) ?? null;
    const beside = place !== null && 'cell' in place ? find(place.cell) : null;
    const inserted = own.find(edit => edit.op === 'insert');
    return {
      cell,
      kind: kindOf(own),
      number: now === null ? null : now.index + 1,
      place,
      besideNumber: beside === null ? null : beside.index + 1,
      isBesideNew: place !== null && 'cell' in place && fresh.has(place.cell),
      type: inserted?.type ?? null,
      lines: linesOf(own, now),
      isStale: now !== null && own.some(edit => isStale(edit, now))
    };
  });
}

function kindOf(own: readonly CellEdit[]): CellChange['kind'] {
  const ops = own.map(edit => edit.op);
  if (ops.includes('insert') || ops.includes('delete')) {
    return ops.includes('insert') ? 'insert' : 'delete';
  }
  return ops.includes('replace') ? 'change' : 'move';
}

function linesOf(own: readonly CellEdit[], now: PresentCell | null): readonly DiffLine[] {
  const before = now?.source ?? null;
  for (const edit of own) {
    if (edit.op === 'insert' || edit.op === 'replace') {
      return lineDiff(edit.op === 'insert' ? null : before, edit.source);
    }
    if (edit.op === 'delete') {
      return lineDiff(before, null);
    }
  }
  return [];
}

function isStale(edit: CellEdit, now: PresentCell): boolean {
  return 'version' in edit && versionOf(now.source) !== edit.version;
}

function isGiven<T>(value: T | null): value is T {
  return value !== null;
}
