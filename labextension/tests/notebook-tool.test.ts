// The tool `notebook` on the notebook of a page: when it can be read, and how much of it (L12, L17).
import { YNotebook } from '@jupyter/ydoc';
import { type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { expect, it, vi } from 'vitest';

import { NotebookTool } from '../src/workspace/notebook-tool';
import { versionOf } from '../src/workspace/proposals';
import { NotebookWorkspace } from '../src/workspace/notebooks';
import { ENGLISH, FakeClock, flushPromises } from './fakes';

vi.mock('../src/workspace/edits', () => ({})); // it would load all of JupyterLab

const LARGEST = 256 * 1024;

/** A panel as far as reads need it. */
function panelOf(sources: readonly string[], isReady = true): NotebookPanel {
  const widgets = sources.map((source, index) => ({
    model: {
      id: `cell-${index}`,
      type: 'code',
      executionCount: 1,
      sharedModel: { getSource: () => source }
    }
  }));
  return {
    context: { path: 'a.ipynb', isReady },
    content: { model: {}, widgets }
  } as unknown as NotebookPanel;
}

const toolOf = (panel: NotebookPanel, isInFront = true): NotebookTool =>
  new NotebookTool({ find: () => panel, isInFront: () => isInFront });
const READ = { operation: 'read' };
const bytesOf = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).length;

interface Read {
  readonly cells: readonly { readonly id: string; readonly left_out?: string }[];
  readonly more_cells?: number;
}
function read(sources: readonly string[], input: object = READ): Read {
  const { success, output } = toolOf(panelOf(sources)).execute(input);
  expect(success).toBe(true);
  expect(bytesOf(output)).toBeLessThan(LARGEST);
  return output as Read;
}

it('leaves a call to others until the notebook is loaded', () => {
  const loading = toolOf(panelOf([], false));
  expect(loading.canExecute(READ)).toBe(false);
  expect(loading.canExecute({ operation: 'propose', path: 'a.ipynb' })).toBe(false);
  expect(loading.execute(READ).success).toBe(false);
  expect(toolOf(panelOf([])).canExecute(READ)).toBe(true);
});

it('reads no more than the server takes, in any script, and names the cells that it left out', () => {
  const long = '漢"\n'.repeat(20_000);
  const { cells } = read([long, long, 'x = 1']);
  expect(cells.map(cell => cell.left_out === undefined)).toEqual([true, false, false]);
  expect(cells[1]?.left_out).toBe('60000 characters; read this cell alone');
  expect(read([long, long], { ...READ, cells: ['cell-1'] }).cells[0]).toMatchObject({
    source: long
  });
  expect(read(['漢'.repeat(90_000)]).cells[0]?.left_out).toContain('too many to be read');
});

it('counts the cells that do not even fit by name', () => {
  const { cells, more_cells } = read(Array.from({ length: 6_000 }, () => 'x = 1'));
  expect(cells.length + (more_cells ?? 0)).toBe(6_000);
  expect(more_cells).toBeGreaterThan(0);
});

it('is asked again when a notebook is opened, and when it is loaded', async () => {
  const added = new Signal<object, unknown>({});
  const never = { connect: () => undefined };
  const tracker = { currentChanged: never, widgetAdded: added } as unknown as INotebookTracker;
  const { trans } = ENGLISH;
  const options = { tracker, clock: new FakeClock(), trans, reveal: () => undefined };
  let looks = 0;
  new NotebookWorkspace(options).subscribe(() => (looks += 1));
  let load = (): void => undefined;
  const ready = new Promise<void>(resolve => (load = resolve));
  added.emit({ disposed: never, context: { ready } });
  await flushPromises();
  expect(looks).toBe(1);
  load();
  await flushPromises();
  expect(looks).toBe(2);
});

it('lets the page in front go first, if the call names no notebook', () => {
  const behind = toolOf(panelOf([]), false);
  expect(behind.delayOf(READ)).toBe(1_500);
  expect(behind.delayOf({ ...READ, path: 'a.ipynb' })).toBe(0);
  expect(toolOf(panelOf([])).delayOf(READ)).toBe(0);
});

it.each([
  ['x = 1\ny = 22', { line: 1, column: 3 }, { line: 1, column: 3 }],
  ['x', { line: 1, column: 3 }, { line: 0, column: 1 }]
])('keeps the cursor of a person in the cell that it replaces: %j', (source, before, kept) => {
  const notebook = YNotebook.create({ disableDocumentWideUndoRedo: true });
  const cell = { cell_type: 'code', id: 'a', metadata: {}, source: 'x = 0\ny = 1', outputs: [] };
  notebook.fromJSON({ metadata: {}, nbformat: 4, nbformat_minor: 5, cells: [cell] });
  const lines = source.split('\n');
  const placed = vi.fn();
  const editor = {
    hasFocus: () => true,
    getCursorPosition: () => before,
    setCursorPosition: placed,
    focus: () => undefined,
    lineCount: lines.length,
    getLine: (at: number) => lines[at]
  };
  const active = { model: { id: 'a' }, editor };
  const panel = {
    context: { path: 'a.ipynb', isReady: true },
    content: {
      model: { readOnly: false, sharedModel: notebook },
      widgets: [active],
      activeCell: active,
      mode: 'edit'
    }
  } as unknown as NotebookPanel;
  const edits = [{ op: 'replace', cell: 'a', version: versionOf('x = 0\ny = 1'), source }];
  const { success } = toolOf(panel).execute({ operation: 'propose', path: 'a.ipynb', edits });
  expect(success).toBe(true);
  expect(placed.mock.calls).toEqual([[kept]]);
});
