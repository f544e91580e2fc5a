/**
 * Checks cells by the schema of nbformat 4, as far as edits change them (L17). Pure.
 */
import { type Fields, fieldsOf, isFields } from '../protocol/fields';
import { MisfitError } from './cell-edits';
import { type FileCell } from './proposals';

const CELL_ID = /^[a-zA-Z0-9_-]{1,64}$/;
const FIELDS = ['id', 'cell_type', 'metadata', 'source', 'attachments'];
const CODE_FIELDS = ['id', 'cell_type', 'metadata', 'source', 'outputs', 'execution_count'];
const OUTPUTS = ['execute_result', 'display_data', 'stream', 'error'];

/** Why the cells are not valid, as a sentence; null if they are valid. */
export function invalidity(cells: readonly Fields[]): string | null {
  const ids = new Set<unknown>();
  for (const [index, cell] of cells.entries()) {
    const reason = ids.has(cell['id']) ? 'has the id of another cell' : cellInvalidity(cell);
    if (reason !== null) {
      return `Cell ${index} ${reason}, so this is no valid notebook. Nothing was changed.`;
    }
    ids.add(cell['id']);
  }
  return null;
}

/** The cells of a notebook file. @throws MisfitError if the file is no valid notebook of format 4.5. */
export function fileCells(content: unknown): readonly FileCell[] {
  const { nbformat, nbformat_minor: minor, cells } = fieldsOf(content);
  if (nbformat !== 4 || typeof minor !== 'number' || !Array.isArray(cells)) {
    throw new MisfitError('The file is no notebook of format 4.');
  }
  if (minor < 5) {
    throw new MisfitError(
      `The notebook has format 4.${minor}, whose cells have no ids. Ask the person to open it.`
    );
  }
  const reason = invalidity(cells as readonly Fields[]);
  if (reason !== null) {
    throw new MisfitError(reason);
  }
  return cells as readonly FileCell[];
}

function cellInvalidity(cell: Fields): string | null {
  const { id, cell_type: type, metadata, source } = cell;
  if (typeof id !== 'string' || !CELL_ID.test(id)) {
    return 'has no valid id';
  }
  if (type !== 'code' && type !== 'markdown' && type !== 'raw') {
    return 'has no known type';
  }
  if (!isFields(metadata)) {
    return 'has no metadata';
  }
  if (typeof source !== 'string' && !isLines(source)) {
    return 'has no source';
  }
  const fields: readonly string[] = type === 'code' ? CODE_FIELDS : FIELDS;
  const unknownField = Object.keys(cell).find(name => !fields.includes(name));
  if (unknownField !== undefined) {
    return 'has a field that its type does not have';
  }
  return type === 'code' ? codeInvalidity(cell) : null;
}

function codeInvalidity({ outputs, execution_count: count }: Fields): string | null {
  if (count !== null && !(Number.isInteger(count) && Number(count) >= 0)) {
    return 'has no valid execution_count';
  }
  const isValid =
    Array.isArray(outputs) &&
    outputs.every(output => isFields(output) && OUTPUTS.includes(String(output['output_type'])));
  return isValid ? null : 'has no valid outputs';
}

function isLines(value: unknown): boolean {
  return Array.isArray(value) && value.every(line => typeof line === 'string');
}
