// @vitest-environment node
// The tool `notebook` on the notebook of a page: when it can be read, and how much of it (L12, L17).
import { YNotebook } from '@jupyter/ydoc';
import { type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { type CallResult } from '../../src/tools/call-executor';
import { versionOf } from '../../src/workspace/cell-edits';
import { callOnPanel } from '../../src/workspace/notebook-calls';
import { NotebookTool } from '../../src/workspace/notebook-tool';
import { NotebookWorkspace } from '../../src/workspace/notebooks';
import { ENGLISH, FakeClock, flushPromises } from '../fakes';

vi.mock('../../src/workspace/edits', () => ({})); // it would load all of JupyterLab

const LARGEST = 256 * 1024;

/** A panel as far as reads need it. */
function panelOf(sources: readonly string[], isReady = true): NotebookPanel {
  const cells = sources.map((source, index) => ({
    cell_type: 'code' as const,
    id: `cell-${index}`,
    metadata: {},
    source,
    execution_count: 1,
    outputs: []
  }));
  return panelWith(cells, { isReady });
}

function panelWith(
  cells: readonly object[],
  {
    isReady = true,
    ...content
  }: { readonly isReady?: boolean; readonly [name: string]: unknown } = {}
): NotebookPanel {
  const sharedModel = YNotebook.create({ disableDocumentWideUndoRedo: true });
  sharedModel.fromJSON({
    metadata: {},
    nbformat: 4,
    nbformat_minor: 5,
    cells: [...cells]
  } as never);
  sharedModel.undoManager.clear();
  return {
    context: { path: 'a.ipynb', isReady },
    content: { model: { readOnly: false, sharedModel }, widgets: [], ...content }
  } as unknown as NotebookPanel;
}

const unused = (): Promise<never> => Promise.reject(new Error('not expected here'));
const toolOf = (panel: NotebookPanel, isInFront = true): NotebookTool =>
  new NotebookTool({
    find: () => panel,
    isInFront: () => isInFront,
    storage: {
      files: { get: unused, save: unused },
      isOpenHere: () => false,
      isOpenElsewhere: unused,
      isInEditor: () => false
    }
  });
/** Execute a call on an open notebook, in one turn of the page: no key comes between. */
function executed(
  panel: NotebookPanel,
  input: object,
  accepted: readonly string[] | null = null
): CallResult {
  return callOnPanel(panel, { id: 'call', input, accepted });
}
const READ = { operation: 'read' };
const bytesOf = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).length;

interface Read {
  readonly cells: readonly { readonly id: string; readonly left_out?: string }[];
  readonly more_cells?: number;
}
function read(sources: readonly string[], input: object = READ): Read {
  const { success, output } = executed(panelOf(sources), input);
  expect(success).toBe(true);
  expect(bytesOf(output)).toBeLessThan(LARGEST);
  return output as Read;
}

const pin = (index: number, id: string) => ({ op: 'test', path: `/cells/${index}/id`, value: id });
const replace = (index: number, value: string) => ({
  op: 'replace',
  path: `/cells/${index}/source`,
  value
});
const proposal = (seen: Readonly<Record<string, string>>, patch: readonly object[]) => ({
  operation: 'propose',
  path: 'a.ipynb',
  versions: Object.fromEntries(Object.entries(seen).map(([id, text]) => [id, versionOf(text)])),
  patch
});
const sourcesIn = (panel: NotebookPanel): readonly string[] =>
  (panel.content.model?.sharedModel.cells ?? []).map(cell => cell.getSource());

it('makes the accepted edits only, and tells the model which were refused (L13)', () => {
  const panel = panelOf(['a', 'b', 'c']);
  const seen = { 'cell-0': 'a', 'cell-1': 'b' };
  const patch = [pin(0, 'cell-0'), replace(0, 'A'), pin(1, 'cell-1'), replace(1, 'B')];
  const input = proposal(seen, patch);
  const { success, output } = executed(panel, input, ['cell-1']);
  expect(success).toBe(true);
  expect(output).toMatchObject({
    cells: [{ index: 1, id: 'cell-1', version: versionOf('B') }],
    refused: ['cell-0']
  });
  expect(sourcesIn(panel)).toEqual(['a', 'B', 'c']);
});

it('fails as a whole if one cell does not fit, even one that the person has left out (L17)', () => {
  const panel = panelOf(['a', 'typed since', 'c']);
  const patch = [pin(0, 'cell-0'), replace(0, 'A'), pin(1, 'cell-1'), replace(1, 'B')];
  const input = proposal({ 'cell-0': 'a', 'cell-1': 'b' }, patch);
  const { success, output } = executed(panel, input, ['cell-0']);
  expect([success, output]).toEqual([false, expect.stringContaining('has changed since')]);
  expect(sourcesIn(panel)).toEqual(['a', 'typed since', 'c']);
});

it('fails if an accepted cell is not in the proposal, instead of making nothing (L13)', () => {
  const panel = panelOf(['a']);
  const input = proposal({ 'cell-0': 'a' }, [pin(0, 'cell-0'), replace(0, 'A')]);
  for (const accepted of [['typo'], ['cell-0', 'typo']]) {
    const { success, output } = executed(panel, input, accepted);
    expect([success, output]).toEqual([false, expect.stringContaining('"typo" is not in')]);
  }
  expect(sourcesIn(panel)).toEqual(['a']);
});

it('leaves a running cell alone, which its state tells or only its prompt (L17)', () => {
  const cell = { cell_type: 'code', id: 'a', metadata: {}, source: 'a', outputs: [] };
  const promptNode = { textContent: '[*]:' };
  const widgets: object[] = [{ model: { id: 'a' }, promptNode }];
  const panel = panelWith([cell], { widgets });
  const input = proposal({ a: 'a' }, [pin(0, 'a'), replace(0, 'A')]);
  const { success, output } = executed(panel, input);
  expect([success, output]).toEqual([false, expect.stringContaining('is running')]);
  expect(sourcesIn(panel)).toEqual(['a']);
  promptNode.textContent = '[1]:';
  const shared = { executionState: 'running' };
  widgets[0] = { model: { id: 'a', sharedModel: shared } };
  expect(executed(panel, input).output).toContain('is running');
  shared.executionState = 'idle';
  expect(executed(panel, input).success).toBe(true);
});

it('changes no notebook that is not valid, and tells why (L17)', () => {
  const twins = ['a', 'b'].map(source => ({ cell_type: 'raw', id: 'twin', metadata: {}, source }));
  const panel = panelWith(twins);
  const input = proposal({}, [
    { op: 'add', path: '/cells/0', value: { cell_type: 'raw', source: 'x' } }
  ]);
  const { success, output } = executed(panel, input);
  expect([success, output]).toEqual([false, expect.stringContaining('no valid notebook')]);
  expect(sourcesIn(panel)).toEqual(['a', 'b']);
});

it('leaves a call to others until the notebook is loaded', async () => {
  const loading = toolOf(panelOf([], false));
  expect(loading.canExecute(READ)).toBe(false);
  expect(loading.canExecute({ operation: 'propose', path: 'a.ipynb' })).toBe(false);
  const result = await loading.execute({ id: 'call', input: READ, accepted: null });
  expect(result.success).toBe(false);
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

it('reads the images of outputs as files, if the model asks for them', () => {
  const png = btoa('\x89PNG\r\n');
  const image = (data: object) => ({ output_type: 'display_data', metadata: {}, data });
  const outputs = [
    image({ 'image/png': [`${png.slice(0, 4)}\n`, png.slice(4)], 'text/plain': 'plot' }),
    image({ 'image/jpeg': 'no base64!' }),
    image({ 'text/plain': 'none' })
  ];
  const code = { cell_type: 'code', metadata: {}, source: 'plot()', execution_count: 1 };
  const many = Array.from({ length: 9 }, () => outputs[0]);
  const panel = panelWith([
    { ...code, id: 'plot', outputs },
    { ...code, id: 'many', outputs: many }
  ]);
  expect(executed(panel, READ).files).toBeUndefined();
  const { files, output } = executed(panel, { ...READ, images: true, cells: ['plot'] });
  expect(output).toMatchObject({ images: [{ cell: 'plot', files: ['plot-1.png'] }] });
  expect(files?.map(({ name, blob }) => [name, blob.type, blob.size])).toEqual([
    ['plot-1.png', 'image/png', 6]
  ]);
  expect(executed(panel, { ...READ, images: true }).files?.length).toBe(8);
});

it('counts the cells that do not even fit by name', () => {
  const many = Array.from({ length: 6_000 }, (_, at) => ({
    getId: () => `cell-${at}`,
    toJSON: () => ({ cell_type: 'raw', metadata: {}, source: 'x = 1' })
  }));
  const panel = panelWith([], { model: { sharedModel: { cells: many } } });
  const { cells, more_cells } = executed(panel, READ).output as Read;
  expect(cells.length + (more_cells ?? 0)).toBe(6_000);
  expect(more_cells).toBeGreaterThan(0);
});

it('is asked again when a notebook is opened, and when it is loaded', async () => {
  const added = new Signal<object, unknown>({});
  const never = { connect: () => undefined };
  const tracker = { currentChanged: never, widgetAdded: added } as unknown as INotebookTracker;
  const { trans } = ENGLISH;
  const files = { get: unused, save: unused };
  const options = {
    tracker,
    clock: new FakeClock(),
    trans,
    reveal: () => undefined,
    files,
    isOpenElsewhere: unused,
    isInEditor: () => false
  };
  let looks = 0;
  new NotebookWorkspace(options).subscribe(() => (looks += 1));
  let load = (): void => undefined;
  const ready = new Promise<void>(resolve => (load = resolve));
  added.emit({ disposed: never, context: { ready, pathChanged: never } });
  await flushPromises();
  expect(looks).toBe(1);
  load();
  await flushPromises();
  expect(looks).toBe(2);
});

describe('a path that a notebook had before it was renamed', () => {
  const added = new Signal<object, unknown>({});
  const ready = new Promise<void>(() => undefined);
  let open: ReturnType<typeof makePanel>[];
  let workspace: NotebookWorkspace;
  const makePanel = (path: string, cell: string) => ({
    isDisposed: false,
    disposed: new Signal<object, void>({}),
    content: { widgets: [{ model: { id: cell, sharedModel: { getSource: () => '' } } }] },
    context: { ready, pathChanged: new Signal<object, string>({}), path, localPath: path }
  });
  const show = (path: string, cell = 'c') => {
    const panel = makePanel(path, cell);
    open.push(panel);
    added.emit(panel);
    return panel;
  };
  const rename = ({ context }: ReturnType<typeof makePanel>, path: string): void => {
    context.path = path;
    context.pathChanged.emit(path);
  };
  const propose = (path: string): void => {
    const call = { input: { path } };
    vi.spyOn(workspace.proposals, 'list').mockReturnValue([{ call }] as never);
  };
  const found = (): readonly (string | null)[] =>
    ['a.ipynb', 'b.ipynb', 'c.ipynb', 'd.ipynb'].map(path => workspace.openPath(path));
  beforeEach(() => {
    open = [];
    const tracker = {
      widgetAdded: added,
      currentChanged: new Signal({}),
      currentWidget: null,
      find: (isIt: (panel: unknown) => boolean) => open.find(isIt)
    } as unknown as INotebookTracker;
    workspace = new NotebookWorkspace({
      tracker,
      clock: new FakeClock(),
      trans: ENGLISH.trans,
      reveal: () => undefined,
      files: { get: unused, save: unused },
      isOpenElsewhere: unused,
      isInEditor: () => false
    });
  });
  afterEach(() => Signal.clearData(added));

  it('leads to it for a proposal that was open then, until it is closed', () => {
    const panel = show('a.ipynb');
    propose('a.ipynb');
    rename(panel, 'b.ipynb');
    propose('b.ipynb');
    rename(panel, 'c.ipynb');
    expect(found()).toEqual(['c.ipynb', 'c.ipynb', 'c.ipynb', null]);
    open = [];
    panel.disposed.emit();
    expect(found()).toEqual([null, null, null, null]);
    expect(workspace).toMatchObject({ _renames: new Map() });
  });

  it('is not its own any more otherwise: another file may have it', () => {
    rename(show('a.ipynb'), 'b.ipynb');
    propose('a.ipynb');
    expect(found()).toEqual([null, 'b.ipynb', null, null]);
  });

  it('leads to another notebook that has it now, and no more to the renamed one', () => {
    const panel = show('a.ipynb');
    propose('a.ipynb');
    rename(panel, 'b.ipynb');
    const other = show('a.ipynb');
    expect(found().slice(0, 2)).toEqual(['a.ipynb', 'b.ipynb']);
    open = [panel];
    other.disposed.emit();
    expect(found().slice(0, 2)).toEqual([null, 'b.ipynb']);
  });

  it('leads to its cells: a question was asked about one before', () => {
    rename(show('a.ipynb', 'asked'), 'b.ipynb');
    const pathOf = (cellId: string | null) =>
      workspace.cell({ path: 'a.ipynb', cellId })?.path ?? null;
    expect([pathOf('asked'), pathOf('other'), pathOf(null)]).toEqual(['b.ipynb', null, null]);
  });
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
  const cell = { cell_type: 'code', id: 'a', metadata: {}, source: 'x = 0\ny = 1', outputs: [] };
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
  const [old, made] = [
    { model: { id: 'a' }, editor },
    { model: { id: 'a' }, editor }
  ];
  const other = { cell_type: 'raw', id: 'b', metadata: {}, source: 'b' };
  const panel = panelWith([cell, other], { widgets: [old], mode: 'edit' });
  const isReplaced = (): boolean => sourcesIn(panel)[0] === source;
  Object.defineProperty(panel.content, 'activeCell', { get: () => (isReplaced() ? made : old) });
  const beside = proposal({ b: 'b' }, [pin(1, 'b'), replace(1, 'B')]);
  expect(executed(panel, beside).success).toBe(true);
  expect(placed).not.toHaveBeenCalled(); // it would end what an input method composes
  const input = proposal({ a: 'x = 0\ny = 1' }, [pin(0, 'a'), replace(0, source)]);
  expect(executed(panel, input).success).toBe(true);
  expect(placed.mock.calls).toEqual([[kept]]);
});
