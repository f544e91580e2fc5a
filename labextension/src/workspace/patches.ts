/**
 * Parses proposals: a JSON Patch (RFC 6902) against the notebook's JSON in nbformat 4.5. Pure.
 *
 * A patch names cells by their index when the model read them. A `test` of the cell's id pins each cell
 * before it is changed. This module translates the indexes into ids, so it finds a cell that was moved
 * meanwhile. It refuses all changes except those of sources and of whole cells.
 */
import { type Fields } from '../protocol/parse';
import { type CellEdit, type CellPlace, MisfitError, versionOf } from './cell-edits';
import { type CellKind } from './values';

/** The most operations of a patch. */
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
  const reading = new PatchReading(isFields(versions) ? versions : {}, callId);
  patch.forEach((operation: unknown, index) => {
    try {
      reading.read(operation, index);
    } catch (error) {
      if (error instanceof MisfitError) {
        throw new MisfitError(`Operation ${index + 1} of the patch: ${error.message}`);
      }
      throw error;
    }
  });
  if (reading.edits.length === 0) {
    throw new MisfitError('The patch only tests, and changes nothing.');
  }
  return { path, edits: reading.edits };
}

/** Reads the operations in their order, each on the cells that result from the operation before. */
class PatchReading {
  constructor(
    private readonly _versions: Fields,
    private readonly _callId: string
  ) {}

  readonly edits: CellEdit[] = [];

  read(operation: unknown, index: number): void {
    if (!isFields(operation)) {
      throw new MisfitError('it is no object.');
    }
    const { op, path, value } = operation;
    const [at, field] = pointerOf(path);
    if (op === 'test' && field === 'id' && typeof value === 'string') {
      this._known.pin(placed(at), value);
    } else if (op === 'replace' && field === 'source') {
      const cell = this._pinned(at, 'replace');
      const source = textOf(value);
      this.edits.push({ op: 'replace', cell, version: this._version(cell), source });
    } else if (op === 'remove' && field === null) {
      const cell = this._pinned(at, 'delete');
      this._known.remove(placed(at));
      this.edits.push({ op: 'delete', cell, version: this._version(cell) });
    } else if (op === 'add' && field === null) {
      this._add(at, newCell(value, versionOf(`${this._callId} ${index}`)));
    } else if (op === 'move' && field === null) {
      this._move(operation['from'], at);
    } else {
      throw new MisfitError(
        `${JSON.stringify(op)} of ${JSON.stringify(path)} is not supported. A patch may test /cells/N/id, ` +
          'replace /cells/N/source, and add, remove and move /cells/N. Nothing was changed.'
      );
    }
  }

  private _add(at: number | '-', { id, type, source }: NewCell): void {
    if (this._touched.has(id) || this._known.has(id)) {
      throw new MisfitError(`the cell id ${id} is used twice.`);
    }
    this._touched.add(id).add(`insert ${id}`);
    const place = this._known.insert(at, id);
    this.edits.push({ op: 'insert', cell: id, type, source, place });
  }

  private _move(from: unknown, to: number | '-'): void {
    const [at, field] = pointerOf(from);
    if (field !== null) {
      throw new MisfitError('only whole cells can be moved.');
    }
    const cell = this._pinned(at, 'move');
    this._known.forget(placed(at));
    this.edits.push({ op: 'move', cell, place: this._known.insert(to, cell) });
  }

  /** The id of the pinned cell at an index. */
  private _pinned(at: number | '-', op: CellEdit['op']): string {
    const cell = this._known.at(placed(at));
    if (cell === null) {
      throw new MisfitError(
        `cell ${at} is not pinned. Put {"op": "test", "path": "/cells/${at}/id", "value": "<its id>"} before it.`
      );
    }
    const isTwice = this._touched.has(`${op} ${cell}`) || this._touched.has(`insert ${cell}`);
    if (isTwice || this._touched.has(`delete ${cell}`)) {
      throw new MisfitError(`there are two changes of cell ${cell}. Make them one.`);
    }
    if (op === 'delete' && this._touched.has(cell)) {
      throw new MisfitError(`cell ${cell} is changed first. Only remove it.`);
    }
    this._touched.add(cell).add(`${op} ${cell}`);
    return cell;
  }

  private _version(cell: string): string {
    const version = this._versions[cell];
    if (typeof version !== 'string') {
      throw new MisfitError(`versions does not have the version of cell ${cell}, from read.`);
    }
    return version;
  }

  private readonly _known = new KnownCells();
  /** Entries of the form `<op> <cell id>` for changes, and the ids of all changed cells. */
  private readonly _touched = new Set<string>();
}

interface KnownCell {
  readonly id: string;
  /** For a removed cell: the index of the cell that followed it. */
  index: number;
  isRemoved: boolean;
}

/** The cells whose index is known from the patch, at the current operation. */
class KnownCells {
  has(id: string): boolean {
    return this._cells.some(cell => cell.id === id);
  }

  at(index: number): string | null {
    return this._find(index)?.id ?? null;
  }

  pin(index: number, id: string): void {
    const known = this._find(index);
    const isElsewhere = this._cells.some(cell => cell.id === id && cell !== known);
    if ((known !== undefined && known.id !== id) || isElsewhere) {
      throw new MisfitError(
        `cell ${index} cannot be ${id} here: this contradicts the operations before.`
      );
    }
    if (known === undefined) {
      this._cells.push({ id, index, isRemoved: false });
    }
  }

  /** Remove a pinned cell, but remember its place. */
  remove(index: number): void {
    const cell = this._find(index);
    this._shift(index + 1, -1);
    if (cell !== undefined) {
      cell.isRemoved = true;
    }
  }

  /** Take away a pinned cell, which the patch inserts elsewhere. */
  forget(index: number): void {
    this._cells = this._cells.filter(cell => cell.isRemoved || cell.index !== index);
    this._shift(index + 1, -1);
  }

  /**
   * Insert a cell at an index. Returns its place beside another cell, which stays valid after other changes.
   */
  insert(index: number | '-', id: string): CellPlace {
    if (index === '-') {
      return { side: 'end' };
    }
    const above = this._find(index - 1);
    const removed = this._cells.filter(cell => cell.isRemoved && cell.index === index).at(-1);
    const below = this._find(index);
    const place = placeBeside(index, above ?? removed, below);
    this._cells
      .filter(cell => cell.index > index || (cell.index === index && cell !== removed))
      .forEach(cell => (cell.index += 1));
    if (removed !== undefined && above !== undefined) {
      removed.index += 1; // the new cell stands above the place of the removed one
    }
    this._cells.push({ id, index, isRemoved: false });
    return place;
  }

  private _find(index: number): KnownCell | undefined {
    return this._cells.find(cell => !cell.isRemoved && cell.index === index);
  }

  private _shift(from: number, by: number): void {
    this._cells.filter(cell => cell.index >= from).forEach(cell => (cell.index += by));
  }

  private _cells: KnownCell[] = [];
}

function placeBeside(
  index: number,
  above: KnownCell | undefined,
  below: KnownCell | undefined
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
  const fields: Fields = isFields(value) ? value : {};
  const { cell_type: type, id = fallbackId, source, ...others } = fields;
  if (type !== 'code' && type !== 'markdown' && type !== 'raw') {
    throw new MisfitError(
      'the value is no cell {"cell_type": "code" or "markdown", "source": "…"}.'
    );
  }
  if (typeof id !== 'string' || !CELL_ID.test(id)) {
    throw new MisfitError('the id of a cell has 1 to 64 letters, digits, - and _. Leave it out.');
  }
  const filled = Object.entries(others).filter(([name, each]) => !isEmptyField(name, each));
  if (filled.length > 0) {
    const names = filled.map(([name]) => name).join(', ');
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

function pointerOf(path: unknown): readonly [number | '-', 'id' | 'source' | null] {
  const found = typeof path === 'string' ? POINTER.exec(path) : null;
  const [, index, field] = found ?? [];
  if (index === undefined) {
    throw new MisfitError(
      `the path ${JSON.stringify(path)} is not supported: only /cells/N, /cells/N/id and /cells/N/source.`
    );
  }
  const isField = field === 'id' || field === 'source';
  return [index === '-' ? '-' : Number(index), isField ? field : null];
}

/** The index of an existing cell. */
function placed(at: number | '-'): number {
  if (at === '-') {
    throw new MisfitError(
      '/cells/- is the place after the last cell: only add and move may use it.'
    );
  }
  return at;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
