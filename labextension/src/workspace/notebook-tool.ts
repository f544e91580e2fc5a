/**
 * The tool `notebook`: a model reads the cells of an open notebook and proposes edits of them (L17).
 *
 * It works on the document that the page has open, so what a person has typed is in it already.
 */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { type CallResult } from '../call-executor';
import { type ListedTool } from '../protocol';
import { fieldsOf } from '../tool-calls';
import { CellView } from './cells';
import { MisfitError, makeEdits, parseEdits, versionOf } from './proposals';

/** So many bytes of cells are read; the server takes 256 kB, which count the JSON around them. */
const MOST_READ_BYTES = 200_000;
/** With the cells of which only the length is told. */
const MOST_BYTES = 240_000;
/** Of the outputs of one cell. */
const MOST_OUTPUT_CHARS = 4_000;

/** So long a page that is not in front waits before it claims a call that any page can make. */
const BEHIND_MS = 1_500;

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

export interface NotebookToolOptions {
  /** The panel of an open notebook; null for a path that is not open, or if there is none. */
  readonly find: (path: string | null) => NotebookPanel | null;
  /** Whether the person looks at this page. */
  readonly isInFront: () => boolean;
}

export class NotebookTool {
  readonly definition = NOTEBOOK_TOOL;

  constructor(private readonly _options: NotebookToolOptions) {}

  /** Whether this page has the notebook of a call open: another page may have it. */
  canExecute(input: unknown): boolean {
    return this._panelOf(input) !== null;
  }

  /** A read of the current notebook means that of the page in front, so another page lets it go first. */
  delayOf(input: unknown): number {
    const isNamed = typeof fieldsOf(input)['path'] === 'string';
    return isNamed || this._options.isInFront() ? 0 : BEHIND_MS;
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

  /**
   * The notebook of a call; null if it is not open here, or not loaded yet. A proposal names its
   * notebook, so that no other one can be changed.
   */
  private _panelOf(input: unknown): NotebookPanel | null {
    const { operation, path } = fieldsOf(input);
    const isNamed = typeof path === 'string';
    const panel =
      isNamed || operation !== 'propose' ? this._options.find(isNamed ? path : null) : null;
    return panel?.context.isReady === true ? panel : null;
  }
}

function readNotebook(panel: NotebookPanel, wanted: readonly unknown[] | null): object {
  const all = panel.content.widgets
    .map((widget, index) => new CellView(panel, { widget, index }))
    .filter(cell => wanted === null || wanted.includes(cell.cellId));
  const cells: object[] = [];
  let [used, isFull] = [0, false];
  for (const cell of all) {
    const whole = entryOf(cell);
    const size = bytesOf(whole);
    isFull ||= used + size > MOST_READ_BYTES;
    const entry = isFull ? leftOut(cell, size <= MOST_READ_BYTES) : whole;
    used += bytesOf(entry);
    if (used > MOST_BYTES) {
      return { path: panel.context.path, cells, more_cells: all.length - cells.length };
    }
    cells.push(entry);
  }
  return { path: panel.context.path, cells };
}

function entryOf(cell: CellView): object {
  const { cellId: id, kind: type, source, executionCount } = cell;
  const output = cell.outputs.map(({ text }) => text).join('\n');
  const shown = output.slice(0, MOST_OUTPUT_CHARS);
  return {
    id,
    type,
    version: versionOf(source),
    source,
    ...(type === 'code' ? { execution_count: executionCount } : {}),
    ...(shown === '' ? {} : { output: shown }),
    ...(shown.length < output.length ? { output_chars: output.length } : {})
  };
}

function leftOut({ cellId: id, kind: type, source }: CellView, isReadable: boolean): object {
  const way = isReadable ? 'read this cell alone' : 'too many to be read';
  return { id, type, left_out: `${source.length} characters; ${way}` };
}

/** The size of a value on its way to the server, which counts the bytes of its JSON. */
function bytesOf(value: object): number {
  return new TextEncoder().encode(JSON.stringify(value)).length + 1;
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

/** Remember the active cell, its mode and its cursor, which a replaced cell loses; the function returned restores it. */
function keptPlace(panel: NotebookPanel): () => void {
  const notebook = panel.content;
  const id = notebook.activeCell?.model.id;
  const { mode } = notebook;
  const editor = notebook.activeCell?.editor;
  const cursor = editor?.hasFocus() === true ? editor.getCursorPosition() : null;
  return () => {
    const index = notebook.widgets.findIndex(widget => widget.model.id === id);
    if (index >= 0) {
      notebook.activeCellIndex = index;
      if (cursor !== null) {
        notebook.mode = mode;
        placeCursor(notebook.activeCell?.editor ?? null, cursor);
      }
    }
  };
}

type Editor = NonNullable<NotebookPanel['content']['widgets'][number]['editor']>;

/** Focus an editor, with its cursor where it was, or as near as the new text allows. */
function placeCursor(
  editor: Editor | null,
  { line, column }: ReturnType<Editor['getCursorPosition']>
): void {
  if (editor !== null) {
    editor.focus();
    const at = Math.min(line, editor.lineCount - 1);
    const length = editor.getLine(at)?.length ?? 0;
    editor.setCursorPosition({ line: at, column: Math.min(column, length) });
  }
}
