/**
 * Makes the edits that a model proposes: all of them or none (L17).
 *
 * An edit names its cell by id, and by the version of the source that the model has read. If a person has
 * changed that cell since, no edit is made. All changes are one undo step of the notebook. JupyterLab keeps
 * a separate undo history for the source of each cell by default, so a cell with a replaced source becomes
 * a new cell with the same id, outputs and metadata.
 */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { type CellEdit, MisfitError, type CellPlace } from './cell-edits';
import { type CheckedCells, type Misfit, misfitsOf } from './misfits';
import { asOneStep } from './one-step';

export type SharedNotebook = NonNullable<NotebookPanel['content']['model']>['sharedModel'];

type SharedCellJson = Parameters<SharedNotebook['insertCell']>[1];

/** A cell in the format of notebook files, with its id. */
export type FileCell = Readonly<Record<string, unknown>> & { readonly id: string };

/** The ordered list of cells that edits change. */
interface CellList extends CheckedCells {
  readonly cells: readonly FileCell[];
  insert(index: number, cell: FileCell): void;
  remove(index: number): void;
}

/**
 * Make edits in an open notebook. `isBusy` tells whether a cell runs.
 *
 * @throws MisfitError if an edit does not fit the notebook as it is now.
 */
export function makeEdits(
  notebook: SharedNotebook,
  edits: readonly CellEdit[],
  isBusy: (cell: string) => boolean = () => false
): void {
  const list = new SharedCells(notebook, isBusy);
  check(list, edits);
  asOneStep(notebook, () => notebook.transact(() => applyEdits(list, edits)));
}

/** Apply edits to the cells of a file. @throws MisfitError if an edit does not fit. */
export function editedCells(
  cells: readonly FileCell[],
  edits: readonly CellEdit[]
): readonly FileCell[] {
  const list = new FileCells(cells);
  check(list, edits);
  applyEdits(list, edits);
  return list.after;
}

/** The cells of an open notebook, with ids even if the file's format has none. */
export function sharedCells(notebook: SharedNotebook): readonly FileCell[] {
  return notebook.cells.map(cell => ({ ...cell.toJSON(), id: cell.getId() }));
}

class SharedCells implements CellList {
  constructor(
    private readonly _notebook: SharedNotebook,
    private readonly _isBusy: (cell: string) => boolean
  ) {
    this.cells = sharedCells(_notebook);
  }

  readonly cells: readonly FileCell[];

  isRunning(id: string): boolean {
    return this._isBusy(id);
  }

  insert(index: number, cell: FileCell): void {
    const isNew = !this.cells.some(other => other.id === cell.id);
    const isTrusted = isNew && cell['cell_type'] === 'code';
    const trustedCell = isTrusted ? { ...cell, metadata: { trusted: true } } : cell;
    this._notebook.insertCell(index, trustedCell as unknown as SharedCellJson);
  }

  remove(index: number): void {
    this._notebook.deleteCell(index);
  }
}

class FileCells implements CellList {
  constructor(readonly cells: readonly FileCell[]) {
    this.after = [...cells];
  }

  readonly after: FileCell[];

  isRunning(): boolean {
    return false;
  }

  insert(index: number, cell: FileCell): void {
    this.after.splice(index, 0, cell);
  }

  remove(index: number): void {
    this.after.splice(index, 1);
  }
}

/** Apply edits. Tracks the ids itself, because `list.cells` does not change during a transaction. */
function applyEdits(list: CellList, edits: readonly CellEdit[]): void {
  const cellsById = new Map(list.cells.map(cell => [cell.id, cell]));
  const ids = [...cellsById.keys()];
  const remove = (id: string): void => {
    const index = ids.indexOf(id);
    list.remove(index);
    ids.splice(index, 1);
  };
  const insert = (index: number, cell: FileCell): void => {
    list.insert(index, cell);
    ids.splice(index, 0, cell.id);
    cellsById.set(cell.id, cell);
  };
  for (const edit of edits) {
    const before = cellsById.get(edit.cell);
    if (edit.op === 'insert') {
      insert(indexOf(edit.place, ids), newCell(edit));
    } else if (edit.op === 'replace' && before !== undefined) {
      const index = ids.indexOf(edit.cell);
      remove(edit.cell);
      insert(index, { ...before, source: edit.source });
    } else if (edit.op === 'move' && before !== undefined) {
      remove(edit.cell);
      insert(indexOf(edit.place, ids), before);
    }
  }
  // Deletions come last, because another cell's place may name a deleted cell.
  edits.filter(edit => edit.op === 'delete').forEach(edit => remove(edit.cell));
}

function indexOf(place: CellPlace, ids: readonly string[]): number {
  switch (place.side) {
    case 'start':
      return 0;
    case 'end':
      return ids.length;
    case 'before':
      return ids.indexOf(place.cell);
    case 'after':
      return ids.indexOf(place.cell) + 1;
  }
}

function newCell({ cell: id, type, source }: Extract<CellEdit, { op: 'insert' }>): FileCell {
  const cell = { id, cell_type: type, source, metadata: {} };
  return type === 'code' ? { ...cell, execution_count: null, outputs: [] } : cell;
}

function check(list: CellList, edits: readonly CellEdit[]): void {
  const [first] = misfitsOf(list, edits);
  if (first !== undefined) {
    throw new MisfitError(sentenceOf(first));
  }
}

/** The sentence about a misfit for the model. */
function sentenceOf({ about, reason }: Misfit): string {
  switch (reason) {
    case 'there':
      return `The notebook has a cell ${about} already. Leave out the id.`;
    case 'gone':
      return `The notebook has no cell ${about}. Read it again.`;
    case 'changed':
      return `Cell ${about} has changed since it was read. Nothing was changed. Read the notebook again.`;
    case 'running':
      return `Cell ${about} is running. Try again when it has ended.`;
    default:
      return `Cell ${about} is protected: its metadata says ${reason}: false.`;
  }
}
