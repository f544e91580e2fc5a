/**
 * The tool `notebook`: a model reads the cells of an open notebook and proposes edits of them (L17).
 *
 * It works on the document that the page has open, so what a person has typed is in it already.
 */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { type ListedTool } from '../protocol';
import { fieldsOf } from '../tool-calls';
import { CellView } from './cells';
import { MisfitError, makeEdits, parseEdits, versionOf } from './proposals';

/** Of a whole notebook, so many characters of sources and outputs are read. */
const MOST_READ_CHARS = 120_000;
/** Of the outputs of one cell. */
const MOST_OUTPUT_CHARS = 4_000;

export type PageTool = Omit<ListedTool, 'consent' | 'is_on'>;

const EDIT = {
  type: 'object',
  properties: {
    op: { enum: ['replace', 'insert', 'delete'] },
    cell: { type: 'string', description: 'For replace and delete: the id of the cell.' },
    version: { type: 'string', description: 'For replace and delete: its version, from read.' },
    after: {
      type: ['string', 'null'],
      description: 'For insert: the id of the cell above; null for the beginning.'
    },
    type: { enum: ['code', 'markdown'], description: 'For insert.' },
    source: { type: 'string', description: 'For replace and insert: the whole new source.' }
  },
  required: ['op']
} as const;

export const NOTEBOOK_TOOL: PageTool = {
  name: 'notebook',
  description:
    'Reads the cells of the notebook that the person has open, and proposes edits of them. ' +
    'Read first: each cell has an id and a version. Propose replaces, inserts or deletes whole ' +
    'cells, all of them or none; it fails if a cell has changed since it was read. It runs nothing.',
  input_schema: {
    type: 'object',
    properties: {
      operation: { enum: ['read', 'propose'] },
      path: {
        type: 'string',
        description: 'The path of the notebook, from read. Read without it: the current notebook.'
      },
      cells: {
        type: 'array',
        items: { type: 'string' },
        description: 'For read: only the cells with these ids.'
      },
      edits: { type: 'array', items: EDIT, description: 'For propose.' }
    },
    required: ['operation']
  },
  where: 'page',
  effect: 'change',
  operations: { read: 'read', propose: 'change' },
  source: 'builtin'
};

/** What a call of a tool gave. */
export interface CallResult {
  readonly success: boolean;
  readonly output: unknown;
}

export interface NotebookToolOptions {
  /** The panel of an open notebook; null for a path that is not open, or if there is none. */
  readonly find: (path: string | null) => NotebookPanel | null;
}

export class NotebookTool {
  readonly definition = NOTEBOOK_TOOL;

  constructor(private readonly _options: NotebookToolOptions) {}

  /** Whether this page has the notebook of a call open: another page may have it. */
  canExecute(input: unknown): boolean {
    return this._panelOf(input) !== null;
  }

  execute(input: unknown): CallResult {
    const panel = this._panelOf(input);
    if (panel?.content.model == null) {
      return { success: false, output: 'The notebook is not open any more.' };
    }
    const { operation, cells, edits } = fieldsOf(input);
    try {
      return operation === 'propose'
        ? { success: true, output: propose(panel, edits) }
        : { success: true, output: readNotebook(panel, Array.isArray(cells) ? cells : null) };
    } catch (error) {
      if (error instanceof MisfitError) {
        return { success: false, output: error.message };
      }
      throw error;
    }
  }

  /** A proposal names its notebook, so that no other one can be changed. */
  private _panelOf(input: unknown): NotebookPanel | null {
    const { operation, path } = fieldsOf(input);
    if (typeof path === 'string') {
      return this._options.find(path);
    }
    return operation === 'propose' ? null : this._options.find(null);
  }
}

function readNotebook(panel: NotebookPanel, wanted: readonly unknown[] | null): object {
  let left = MOST_READ_CHARS;
  const cells = panel.content.widgets
    .map((widget, index) => new CellView(panel, { widget, index }))
    .filter(cell => wanted === null || wanted.includes(cell.cellId))
    .map(cell => {
      const { cellId: id, kind: type, source, executionCount } = cell;
      if (left <= 0 || source.length > left) {
        left = 0;
        return { id, type, left_out: `${source.length} characters; read this cell alone` };
      }
      const output = cell.outputs.map(({ text }) => text).join('\n');
      const shown = output.slice(0, Math.min(MOST_OUTPUT_CHARS, left));
      left -= source.length + shown.length;
      return {
        id,
        type,
        version: versionOf(source),
        source,
        ...(type === 'code' ? { execution_count: executionCount } : {}),
        ...(shown === '' ? {} : { output: shown }),
        ...(shown.length < output.length ? { output_chars: output.length } : {})
      };
    });
  return { path: panel.context.path, cells };
}

function propose(panel: NotebookPanel, value: unknown): object {
  const { model } = panel.content;
  if (model === null || model.readOnly) {
    throw new MisfitError('The notebook is read-only.');
  }
  const edits = parseEdits(value);
  const kept = keptPlace(panel);
  const made = makeEdits(model.sharedModel, edits);
  kept();
  const cells = model.sharedModel.cells
    .filter(cell => made.includes(cell.getId()))
    .map(cell => ({ id: cell.getId(), version: versionOf(cell.getSource()) }));
  return { path: panel.context.path, cells };
}

/** Remember the active cell and its mode, which a replaced cell loses; the function returned restores it. */
function keptPlace(panel: NotebookPanel): () => void {
  const notebook = panel.content;
  const id = notebook.activeCell?.model.id;
  const { mode } = notebook;
  const hasFocus = notebook.activeCell?.editor?.hasFocus() === true;
  return () => {
    const index = notebook.widgets.findIndex(widget => widget.model.id === id);
    if (index >= 0) {
      notebook.activeCellIndex = index;
      if (hasFocus) {
        notebook.mode = mode;
        notebook.activeCell?.editor?.focus();
      }
    }
  };
}
