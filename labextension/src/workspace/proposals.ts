/**
 * Edits of an open notebook that a model proposes: made as a whole or not at all (L17).
 *
 * An edit names its cell by id, and by the version of the source that the model has read. If a person
 * has changed that cell since, nothing is made. All changes are one step of the notebook's undo: a cell
 * whose source is replaced becomes a new cell with the same id, outputs and metadata, because by
 * default JupyterLab keeps the undo of sources in each cell apart.
 */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { type CellEdit, MisfitError, type CellPlace, versionOf } from './cell-edits';
import { asOneStep } from './one-step';

export type SharedNotebook = NonNullable<NotebookPanel['content']['model']>['sharedModel'];

type SharedCellJson = Parameters<SharedNotebook['insertCell']>[1];

/** A cell as notebook files have it, with its id. */
export type FileCell = Readonly<Record<string, unknown>> & { readonly id: string };

/** Cells in their order, which edits change. */
export interface CellList {
  readonly cells: readonly FileCell[];
  isRunning(cell: string): boolean;
  insert(index: number, cell: FileCell): void;
  remove(index: number): void;
}

/**
 * Make edits in an open notebook. `isBusy` tells whether a cell looks as if it runs.
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

/** The cells of a file after edits. @throws MisfitError if an edit does not fit. */
export function editedCells(
  cells: readonly FileCell[],
  edits: readonly CellEdit[]
): readonly FileCell[] {
  const list = new FileCells(cells);
  check(list, edits);
  applyEdits(list, edits);
  return list.after;
}

/** The cells of an open notebook, each with its id even if the file's format has none. */
export function sharedCells(notebook: SharedNotebook): readonly FileCell[] {
  return notebook.cells.map(cell => ({ ...cell.toJSON(), id: cell.getId() }));
}

/** The source of a cell, which files also write as a list of lines. */
export function sourceOf({ source }: Readonly<Record<string, unknown>>): string {
  return Array.isArray(source) ? source.join('') : typeof source === 'string' ? source : '';
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
    const cell = this._notebook.cells.find(other => other.getId() === id);
    const isRunning =
      cell !== undefined && 'executionState' in cell && cell.executionState === 'running';
    return isRunning || this._isBusy(id); // JupyterLab before 4.3 has no executionState
  }

  insert(index: number, cell: FileCell): void {
    const isNew = !this.cells.some(other => other.id === cell.id);
    const isTrusted = isNew && cell['cell_type'] === 'code';
    const made = isTrusted ? { ...cell, metadata: { trusted: true } } : cell;
    this._notebook.insertCell(index, made as unknown as SharedCellJson);
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

/** In the transaction of an open notebook, its list of cells stays as it was before. */
function applyEdits(list: CellList, edits: readonly CellEdit[]): void {
  const now = new Map(list.cells.map(cell => [cell.id, cell]));
  const ids = [...now.keys()];
  const remove = (id: string): void => {
    const index = ids.indexOf(id);
    list.remove(index);
    ids.splice(index, 1);
  };
  const insert = (index: number, cell: FileCell): void => {
    list.insert(index, cell);
    ids.splice(index, 0, cell.id);
    now.set(cell.id, cell);
  };
  for (const edit of edits) {
    const before = now.get(edit.cell);
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
  // Deleted last: a cell may stand beside one that is deleted.
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
  const known = new Map(list.cells.map(cell => [cell.id, cell]));
  const there = new Set(known.keys());
  for (const edit of edits) {
    const cell = known.get(edit.cell);
    if (edit.op === 'insert') {
      if (there.has(edit.cell)) {
        throw new MisfitError(`The notebook has a cell ${edit.cell} already. Leave out the id.`);
      }
      there.add(edit.cell);
    } else if (cell === undefined) {
      throw new MisfitError(`The notebook has no cell ${edit.cell}. Read it again.`);
    } else {
      checkCell(cell, edit, list.isRunning(edit.cell));
    }
    const beside = edit.op === 'insert' || edit.op === 'move' ? edit.place : null;
    if (beside !== null && 'cell' in beside && !there.has(beside.cell)) {
      throw new MisfitError(`The notebook has no cell ${beside.cell}. Read it again.`);
    }
  }
}

function checkCell(
  cell: FileCell,
  edit: Exclude<CellEdit, { op: 'insert' }>,
  isRunning: boolean
): void {
  if (edit.op !== 'move' && versionOf(sourceOf(cell)) !== edit.version) {
    throw new MisfitError(
      `Cell ${edit.cell} has changed since it was read. Nothing was changed. Read the notebook again.`
    );
  }
  const lock = edit.op === 'delete' ? 'deletable' : 'editable';
  const metadata = cell['metadata'] as Readonly<Record<string, unknown>> | undefined;
  if (edit.op !== 'move' && metadata?.[lock] === false) {
    throw new MisfitError(`Cell ${edit.cell} is protected: its metadata says ${lock}: false.`);
  }
  if (isRunning) {
    throw new MisfitError(`Cell ${edit.cell} is running. Try again when it has ended.`);
  }
}
