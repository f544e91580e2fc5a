/**
 * Makes the calls of the tool `notebook`, in an open notebook or in a file (L17). Loaded with the first
 * call.
 *
 * In an open notebook all checks and changes are synchronous, so no key press comes between them.
 */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { fieldsOf } from '../protocol/fields';
import { type CallResult, type PageCall } from '../tools/call-executor';
import { type CellEdit, MisfitError, acceptedEdits, cellsOf, versionOf } from './cell-edits';
import { type NotebookStorage, closedNotebooks } from './closed-notebooks';
import { keptPlace } from './kept-place';
import { sourceOf } from './misfits';
import { readCells } from './notebook-reading';
import { fileCells, invalidity } from './notebook-validity';
import { isRunning } from './open-cells';
import { outputImages } from './output-images';
import { parseProposal } from './patches';
import { type FileCell, editedCells, makeEdits, sharedCells } from './proposals';

/** Make a call on a notebook that this page has open. */
export function callOnPanel(panel: NotebookPanel, call: PageCall): CallResult {
  try {
    return isProposal(call) ? { success: true, output: propose(panel, call) } : read(panel, call);
  } catch (error) {
    return resultOfError(error);
  }
}

/** Make a call on the file of a notebook that no page has open. */
export async function callOnFile(
  storage: NotebookStorage,
  path: string,
  call: PageCall
): Promise<CallResult> {
  const files = closedNotebooks(storage);
  try {
    if (!isProposal(call)) {
      return readOf(path, fileCells(await files.read(path)), call);
    }
    const { edits } = parseProposal(fieldsOf(call.input), call.id);
    const after = await files.change(
      path,
      call.id,
      before => planEdits(fileCells(before), edits, call).after
    );
    return { success: true, output: { path, ...outcome(fileCells(after), edits, call) } };
  } catch (error) {
    return resultOfError(error);
  }
}

function isProposal({ input }: PageCall): boolean {
  return fieldsOf(input)['operation'] === 'propose';
}

function wantedOf({ input }: PageCall): readonly unknown[] | null {
  const { cells } = fieldsOf(input);
  return Array.isArray(cells) ? cells : null;
}

function resultOfError(error: unknown): CallResult {
  if (error instanceof MisfitError) {
    return { success: false, output: error.message };
  }
  throw error;
}

function read(panel: NotebookPanel, call: PageCall): CallResult {
  const { model } = panel.content;
  const cells = model === null ? [] : sharedCells(model.sharedModel);
  return readOf(panel.context.path, cells, call);
}

function readOf(path: string, cells: readonly FileCell[], call: PageCall): CallResult {
  const ids = wantedOf(call);
  const output = { path, ...readCells(cells, ids) };
  if (fieldsOf(call.input)['images'] !== true) {
    return { success: true, output };
  }
  const images = outputImages(cells.filter(({ id }) => ids?.includes(id) ?? true));
  const names = [...images].map(([cell, files]) => ({
    cell,
    files: files.map(({ name }) => name)
  }));
  return {
    success: true,
    output: { ...output, images: names },
    files: [...images.values()].flat()
  };
}

function propose(panel: NotebookPanel, call: PageCall): object {
  const { model } = panel.content;
  if (model === null || model.readOnly) {
    throw new MisfitError('The notebook is read-only.');
  }
  const { sharedModel } = model;
  const { edits } = parseProposal(fieldsOf(call.input), call.id);
  const { accepted } = planEdits(sharedCells(sharedModel), edits, call);
  const restore = keptPlace(panel);
  makeEdits(sharedModel, accepted, cell => isRunning(panel, cell));
  restore();
  return { path: panel.context.path, ...outcome(sharedCells(sharedModel), edits, call) };
}

/** The accepted edits, and the cells after them. @throws MisfitError if the proposal does not fit. */
function planEdits(
  before: readonly FileCell[],
  edits: readonly CellEdit[],
  call: PageCall
): { readonly accepted: readonly CellEdit[]; readonly after: readonly FileCell[] } {
  const cells = cellsOf(edits);
  const acceptedIds = call.accepted ?? cells;
  const unknownId = acceptedIds.find(cell => !cells.includes(cell));
  if (unknownId !== undefined) {
    throw new MisfitError(
      `The accepted cell ${JSON.stringify(unknownId)} is not in the proposal. Nothing was changed.`
    );
  }
  checkValid(before);
  checkValid(editedCells(before, edits)); // the rejected edits must be valid, too
  const accepted = acceptedEdits(edits, new Set(acceptedIds));
  const after = editedCells(before, accepted);
  checkValid(after);
  return { accepted, after };
}

function checkValid(cells: readonly FileCell[]): void {
  const reason = invalidity(cells);
  if (reason !== null) {
    throw new MisfitError(reason);
  }
}

/** The result for the model: the cells as they are now, and the cells that the person has rejected. */
function outcome(
  cells: readonly FileCell[],
  edits: readonly CellEdit[],
  { accepted }: PageCall
): object {
  const editedIds = cellsOf(edits);
  const acceptedIds = editedIds.filter(id => accepted?.includes(id) ?? true);
  const refusedIds = editedIds.filter(id => !acceptedIds.includes(id));
  return {
    cells: [...cells.entries()]
      .filter(([, cell]) => acceptedIds.includes(cell.id))
      .map(([index, cell]) => ({ index, id: cell.id, version: versionOf(sourceOf(cell)) })),
    ...(refusedIds.length === 0
      ? {}
      : {
          refused: refusedIds,
          note: 'The person accepted the edits of some cells, and refused the others.'
        })
  };
}
