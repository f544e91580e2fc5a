/**
 * Parses proposals: a JSON Patch (RFC 6902) against the notebook's JSON in nbformat 4.5. Pure.
 *
 * A patch names a cell by its index at the time when the model read the notebook. Before a patch changes
 * a cell, a `test` of the cell's id must pin the index. This module translates the indexes into ids, so that
 * the edits find a cell that was moved meanwhile. It refuses changes of anything but sources and whole cells.
 */
import { type Fields, fieldsOf, isFields } from '../protocol/fields';
import { type CellEdit, type CellPlace, MisfitError, versionOf } from './cell-edits';
import { type CellKind } from './values';

/** A patch has at most this many operations. */
const MOST_OPERATIONS = 400;
const POINTER = /^\/cells\/(0|[1-9]\d{0,6}|-)(?:\/(id|source))?$/;
/** The form of a cell's id in nbformat 4.5. */
const CELL_ID = /^[a-zA-Z0-9_-]{1,64}$/;

export interface Proposal {
  readonly path: string;
  readonly edits: readonly CellEdit[];
}

/**
 * Read the proposal of a call. New cells without an id get an id from the call's id.
 *
 * @throws MisfitError if the input is no proposal.
 */
export function parseProposal(input: Fields, callId: string): Proposal {
  const { path, patch, versions } = input;
  if (typeof path !== 'string') {
    throw new MisfitError('The field path is missing: the path of the notebook, from read.');
  }
  if (!Array.isArray(patch) || patch.length === 0) {
    throw new MisfitError('The field patch is no list, or is empty.');
  }
  if (patch.length > MOST_OPERATIONS) {
    throw new MisfitError(`The patch has more than ${MOST_OPERATIONS} operations.`);
  }
  const reader = new PatchReader(fieldsOf(versions), callId);
  patch.forEach((operation: unknown, index) => {
    try {
      reader.read(operation, index);
    } catch (error) {
      if (error instanceof MisfitError) {
        throw new MisfitError(`Operation ${index + 1} of the patch: ${error.message}`);
      }
      throw error;
    }
  });
  if (reader.edits.length === 0) {
    throw new MisfitError('The patch only tests, and changes nothing.');
  }
  return { path, edits: reader.edits };
}

/** An index of the list of cells, or `-`: the place after the last cell. */
type CellIndex = number | '-';

/** Reads the operations in their order. Each applies to the cells that the operations before have left. */
class PatchReader {
  constructor(
    private readonly _versions: Fields,
    private readonly _callId: string
  ) {}

  readonly edits: CellEdit[] = [];

  read(operation: unknown, number: number): void {
    if (!isFields(operation)) {
      throw new MisfitError('it is no object.');
    }
    const { op, path, value } = operation;
    const [index, field] = pointerOf(path);
    if (op === 'test' && field === 'id' && typeof value === 'string') {
      this._cells.pin(indexOfCell(index), value);
    } else if (op === 'replace' && field === 'source') {
      const cell = this._beginChange(index, 'replace');
      const source = textOf(value);
      this.edits.push({ op: 'replace', cell, version: this._version(cell), source });
    } else if (op === 'remove' && field === null) {
      const cell = this._beginChange(index, 'delete');
      this._cells.remove(indexOfCell(index));
      this.edits.push({ op: 'delete', cell, version: this._version(cell) });
    } else if (op === 'add' && field === null) {
      this._add(index, newCell(value, versionOf(`${this._callId} ${number}`)));
    } else if (op === 'move' && field === null) {
      this._move(operation['from'], index);
    } else {
      throw new MisfitError(
        `${JSON.stringify(op)} of ${JSON.stringify(path)} is not supported. A patch may test /cells/N/id, ` +
          'replace /cells/N/source, and add, remove and move /cells/N. Nothing was changed.'
      );
    }
  }

  private _add(index: CellIndex, { id, type, source }: NewCell): void {
    if (this._changes.has(id) || this._cells.has(id)) {
      throw new MisfitError(`the cell id ${id} is used twice.`);
    }
    this._changes.set(id, new Set(['insert']));
    const place = this._cells.insert(index, id);
    this.edits.push({ op: 'insert', cell: id, type, source, place });
  }

  private _move(from: unknown, to: CellIndex): void {
    const [index, field] = pointerOf(from);
    if (field !== null) {
      throw new MisfitError('only whole cells can be moved.');
    }
    const cell = this._beginChange(index, 'move');
    this._cells.takeOut(indexOfCell(index));
    this.edits.push({ op: 'move', cell, place: this._cells.insert(to, cell) });
  }

  /**
   * Note a change of the pinned cell at an index. Returns the cell's id.
   *
   * @throws MisfitError if no cell is pinned there, or an earlier operation excludes this change.
   */
  private _beginChange(index: CellIndex, op: CellEdit['op']): string {
    const cell = this._cells.idAt(indexOfCell(index));
    if (cell === null) {
      throw new MisfitError(
        `cell ${index} is not pinned. Put {"op": "test", "path": "/cells/${index}/id", "value": "<its id>"} before it.`
      );
    }
    const changes = this._changes.get(cell) ?? new Set();
    if (changes.has(op) || changes.has('insert') || changes.has('delete')) {
      throw new MisfitError(`there are two changes of cell ${cell}. Make them one.`);
    }
    if (op === 'delete' && changes.size > 0) {
      throw new MisfitError(`cell ${cell} is changed first. Only remove it.`);
    }
    this._changes.set(cell, changes.add(op));
    return cell;
  }

  private _version(cell: string): string {
    const version = this._versions[cell];
    if (typeof version !== 'string') {
      throw new MisfitError(`versions does not have the version of cell ${cell}, from read.`);
    }
    return version;
  }

  private readonly _cells = new PinnedCells();
  /** By cell id: the kinds of the changes that the operations so far make of the cell. */
  private readonly _changes = new Map<string, Set<CellEdit['op']>>();
}

interface PinnedCell {
  readonly id: string;
  /** For a removed cell: the index of the cell that followed it. */
  index: number;
  isRemoved: boolean;
}

/** The cells that the patch has pinned or inserted, with their indexes at the current operation. */
class PinnedCells {
  has(id: string): boolean {
    return this._cells.some(cell => cell.id === id);
  }

  idAt(index: number): string | null {
    return this._cellAt(index)?.id ?? null;
  }

  /** Pin the cell at an index to its id. @throws MisfitError if the operations before contradict this. */
  pin(index: number, id: string): void {
    const cell = this._cellAt(index);
    const isElsewhere = this._cells.some(other => other.id === id && other !== cell);
    if ((cell !== undefined && cell.id !== id) || isElsewhere) {
      throw new MisfitError(
        `cell ${index} cannot be ${id} here: this contradicts the operations before.`
      );
    }
    if (cell === undefined) {
      this._cells.push({ id, index, isRemoved: false });
    }
  }

  /** Remove a pinned cell, but remember its place. */
  remove(index: number): void {
    const cell = this._cellAt(index);
    this._shift(index + 1, -1);
    if (cell !== undefined) {
      cell.isRemoved = true;
    }
  }

  /** Take a pinned cell out of the list, because the patch inserts it elsewhere. */
  takeOut(index: number): void {
    this._cells = this._cells.filter(cell => cell.isRemoved || cell.index !== index);
    this._shift(index + 1, -1);
  }

  /**
   * Insert a cell at an index. Returns its place beside another cell, which stays valid after other changes.
   */
  insert(index: CellIndex, id: string): CellPlace {
    if (index === '-') {
      return { side: 'end' };
    }
    const above = this._cellAt(index - 1);
    const removedAbove = this._cells.filter(cell => cell.isRemoved && cell.index === index).at(-1);
    const below = this._cellAt(index);
    const place = placeBeside(index, above ?? removedAbove, below);
    this._cells
      .filter(cell => cell.index > index || (cell.index === index && cell !== removedAbove))
      .forEach(cell => (cell.index += 1));
    if (removedAbove !== undefined && above !== undefined) {
      removedAbove.index += 1; // the new cell stands above the place of the removed one
    }
    this._cells.push({ id, index, isRemoved: false });
    return place;
  }

  private _cellAt(index: number): PinnedCell | undefined {
    return this._cells.find(cell => !cell.isRemoved && cell.index === index);
  }

  /** Change the indexes of all cells from one index on. */
  private _shift(firstIndex: number, by: number): void {
    this._cells.filter(cell => cell.index >= firstIndex).forEach(cell => (cell.index += by));
  }

  private _cells: PinnedCell[] = [];
}

function placeBeside(
  index: number,
  above: PinnedCell | undefined,
  below: PinnedCell | undefined
): CellPlace {
  if (above !== undefined) {
    return { side: 'after', cell: above.id };
  }
  if (below !== undefined) {
    return { side: 'before', cell: below.id };
  }
  if (index === 0) {
    return { side: 'start' };
  }
  throw new MisfitError(
    `the place /cells/${index} is not pinned. Put a test of /cells/${index - 1}/id, the cell above, before it.`
  );
}

interface NewCell {
  readonly id: string;
  readonly type: CellKind;
  readonly source: string;
}

function newCell(value: unknown, fallbackId: string): NewCell {
  const fields = fieldsOf(value);
  const { cell_type: type, id = fallbackId, source, ...others } = fields;
  if (type !== 'code' && type !== 'markdown' && type !== 'raw') {
    throw new MisfitError(
      'the value is no cell {"cell_type": "code" or "markdown", "source": "…"}.'
    );
  }
  if (typeof id !== 'string' || !CELL_ID.test(id)) {
    throw new MisfitError('the id of a cell has 1 to 64 letters, digits, - and _. Leave it out.');
  }
  const surplus = Object.entries(others).filter(([name, field]) => !isEmptyField(name, field));
  if (surplus.length > 0) {
    const names = surplus.map(([name]) => name).join(', ');
    throw new MisfitError(`a new cell may only have a type and a source. Leave out: ${names}.`);
  }
  return { id, type, source: textOf(source) };
}

/** Whether a field has the value that every new cell has. */
function isEmptyField(name: string, value: unknown): boolean {
  return (
    (name === 'execution_count' && value === null) ||
    (name === 'outputs' && Array.isArray(value) && value.length === 0) ||
    (name === 'metadata' && isFields(value) && Object.keys(value).length === 0)
  );
}

/**
 * Read a source, which may be a list of lines in nbformat. Line ends become `\n`, as editors count them:
 * otherwise later typing would go to the wrong place.
 */
function textOf(value: unknown): string {
  const lines: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (lines.every(line => typeof line === 'string')) {
    return lines.join('').replace(/\r\n?/g, '\n');
  }
  throw new MisfitError('the source is no text.');
}

/** The index and the field that a JSON Pointer names; the field is null if it names the whole cell. */
function pointerOf(path: unknown): readonly [CellIndex, 'id' | 'source' | null] {
  const match = typeof path === 'string' ? POINTER.exec(path) : null;
  const [, index, field] = match ?? [];
  if (index === undefined) {
    throw new MisfitError(
      `the path ${JSON.stringify(path)} is not supported: only /cells/N, /cells/N/id and /cells/N/source.`
    );
  }
  const isField = field === 'id' || field === 'source';
  return [index === '-' ? '-' : Number(index), isField ? field : null];
}

/** The index of an existing cell. @throws MisfitError for the place after the last cell. */
function indexOfCell(index: CellIndex): number {
  if (index === '-') {
    throw new MisfitError(
      '/cells/- is the place after the last cell: only add and move may use it.'
    );
  }
  return index;
}
