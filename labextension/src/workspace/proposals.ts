/**
 * Edits of a notebook that a model proposes: several cells at once, made as a whole or not at all (L17).
 *
 * An edit names its cell by id, and by the version of the source that the model has read. If a person
 * has changed that cell since, nothing is made. All changes are one step of the notebook's undo: a cell
 * whose source is replaced becomes a new cell with the same id, outputs and metadata, because by
 * default JupyterLab keeps the undo of sources in each cell apart.
 */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { asOneStep } from './one-step';

export type SharedNotebook = NonNullable<NotebookPanel['content']['model']>['sharedModel'];
type SharedCell = SharedNotebook['cells'][number];

export type CellEdit =
  | {
      readonly op: 'replace';
      readonly cell: string;
      readonly version: string;
      readonly source: string;
    }
  | { readonly op: 'delete'; readonly cell: string; readonly version: string }
  | {
      readonly op: 'insert';
      /** Null for the beginning of the notebook. */
      readonly after: string | null;
      readonly type: 'code' | 'markdown';
      readonly source: string;
    };

/** A proposal that cannot be made, with a sentence for the model. */
export class MisfitError extends Error {
  override readonly name = 'MisfitError';
}

/** The version of a source: two sources that differ have two versions, as good as always. */
export function versionOf(source: string): string {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let at = 0; at < source.length; at += 1) {
    const unit = source.charCodeAt(at);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return (4294967296 * (2097151 & low) + (high >>> 0)).toString(36);
}

/** Read the edits of an input. @throws MisfitError if one of them is none. */
export function parseEdits(value: unknown): readonly CellEdit[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw new MisfitError('The field edits is no list, or is empty.');
  }
  return value.map((item: unknown, index) => {
    const edit = asEdit(item);
    if (edit === null) {
      throw new MisfitError(
        `Edit ${index + 1} is none of {op: "replace", cell, version, source}, {op: "delete", cell, version}, {op: "insert", after, type, source}.`
      );
    }
    return edit;
  });
}

function asEdit(item: unknown): CellEdit | null {
  if (typeof item !== 'object' || item === null) {
    return null;
  }
  const { op, cell, version, source, after, type } = item as Readonly<Record<string, unknown>>;
  const isNamed = typeof cell === 'string' && typeof version === 'string';
  if (op === 'replace' && isNamed && typeof source === 'string') {
    return { op, cell, version, source };
  }
  if (op === 'delete' && isNamed) {
    return { op, cell, version };
  }
  const isPlace = after === null || typeof after === 'string';
  const isKind = type === 'code' || type === 'markdown';
  return op === 'insert' && isPlace && isKind && typeof source === 'string'
    ? { op, after, type, source }
    : null;
}

/**
 * Make all edits as one step, or none. Returns the ids of the cells that were replaced or inserted.
 *
 * @throws MisfitError if an edit does not fit the notebook as it is now.
 */
export function makeEdits(notebook: SharedNotebook, edits: readonly CellEdit[]): readonly string[] {
  check(notebook, edits);
  const change = new NotebookChange(notebook);
  const made: string[] = [];
  const ends = new Map<string | null, string>();
  asOneStep(notebook, () =>
    notebook.transact(() => {
      for (const edit of edits) {
        if (edit.op === 'replace') {
          change.replace(edit.cell, edit.source);
          made.push(edit.cell);
        } else if (edit.op === 'insert') {
          // Cells that are inserted behind the same cell stay in their order.
          const id = change.insert(ends.get(edit.after) ?? edit.after, edit);
          ends.set(edit.after, id);
          made.push(id);
        }
      }
      // Deleted last: a cell may be inserted behind one that is deleted.
      edits.filter(edit => edit.op === 'delete').forEach(edit => change.remove(edit.cell));
    })
  );
  return made;
}

/** Changes cells inside of one transaction, in which `notebook.cells` stays as it was before. */
class NotebookChange {
  constructor(private readonly _notebook: SharedNotebook) {
    this._before = new Map(_notebook.cells.map(cell => [cell.getId(), cell.toJSON()]));
    this._ids = [...this._before.keys()];
  }

  replace(id: string, source: string): void {
    const index = this._ids.indexOf(id);
    const cell = { ...this._before.get(id), id, source };
    this._notebook.deleteCell(index);
    this._notebook.insertCell(index, cell as Parameters<SharedNotebook['insertCell']>[1]);
  }

  /** Returns the id of the new cell. */
  insert(after: string | null, cell: Extract<CellEdit, { op: 'insert' }>): string {
    const index = after === null ? 0 : this._ids.indexOf(after) + 1;
    const metadata = cell.type === 'code' ? { trusted: true } : {};
    const made = { cell_type: cell.type, source: cell.source, metadata };
    const id = this._notebook.insertCell(index, made).getId();
    this._ids.splice(index, 0, id);
    return id;
  }

  remove(id: string): void {
    const index = this._ids.indexOf(id);
    this._notebook.deleteCell(index);
    this._ids.splice(index, 1);
  }

  private readonly _before: ReadonlyMap<string, object>;
  private readonly _ids: string[];
}

function check(notebook: SharedNotebook, edits: readonly CellEdit[]): void {
  const edited = new Set<string>();
  for (const edit of edits) {
    const id = edit.op === 'insert' ? edit.after : edit.cell;
    const cell = notebook.cells.find(other => other.getId() === id);
    if (id !== null && cell === undefined) {
      throw new MisfitError(`The notebook has no cell ${id}. Read it again.`);
    }
    if (edit.op === 'insert' || cell === undefined) {
      continue;
    }
    if (edited.has(edit.cell)) {
      throw new MisfitError(`There are two edits of cell ${edit.cell}.`);
    }
    edited.add(edit.cell);
    checkCell(cell, edit);
  }
}

function checkCell(cell: SharedCell, edit: Exclude<CellEdit, { op: 'insert' }>): void {
  if (versionOf(cell.getSource()) !== edit.version) {
    throw new MisfitError(
      `Cell ${edit.cell} has changed since it was read. Nothing was changed. Read the notebook again.`
    );
  }
  const lock = edit.op === 'replace' ? 'editable' : 'deletable';
  if (cell.getMetadata(lock) === false) {
    throw new MisfitError(`Cell ${edit.cell} is protected: its metadata says ${lock}: false.`);
  }
  if ('executionState' in cell && cell.executionState === 'running') {
    throw new MisfitError(`Cell ${edit.cell} is running. Try again when it has ended.`);
  }
}
