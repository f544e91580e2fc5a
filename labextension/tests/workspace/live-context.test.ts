// What a chat reads of its notebook: which notebook that is, and its outline, active cell and error.
import { type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { describe, expect, it, vi } from 'vitest';

import { type ContextKind, type LiveItem } from '../../src/thread/live-context';
import {
  type LiveCell,
  MOST_OUTLINE_CHARS,
  MOST_OUTPUT_CHARS,
  MOST_SOURCE_CHARS,
  MOST_TRACEBACK_CHARS,
  liveItems
} from '../../src/workspace/live-context';
import { LiveNotebooks, SETTLE_MS } from '../../src/workspace/live-notebooks';
import { ENGLISH, FakeClock, flushPromises } from '../fakes';

// The true one loads the editor of JupyterLab, which no test here draws.
vi.mock('@jupyterlab/notebook', () => ({
  NotebookActions: { executed: { connect: () => undefined } }
}));

const { trans } = ENGLISH;

interface Written extends Partial<LiveCell> {
  readonly traceback?: string;
}

const cell = (index: number, source: string, { traceback, ...change }: Written = {}): LiveCell => ({
  path: 'work/a.ipynb',
  cellId: `c${index}`,
  index,
  kind: 'code',
  source,
  executionCount: null,
  outputs: [],
  hasError: traceback !== undefined,
  error: traceback === undefined ? null : { name: 'KeyError', message: "'mine'\nmore", traceback },
  ...change
});

const markdown: Written = { kind: 'markdown' };

const textOf = (items: readonly LiveItem[], kind: ContextKind): string =>
  items.find(item => item.kind === kind)?.text() ?? '';

describe('the live context of a notebook', () => {
  it('has its headings, cells and runs in one line each', () => {
    const cells = [
      cell(0, '# Wages\n\n## Of 2025\n\n```\n# no heading\n```', markdown),
      cell(1, '\nimport pandas\nmore', { executionCount: 4 }),
      cell(2, 'wages["mine"]', { executionCount: 5, traceback: 'KeyError' }),
      cell(3, '')
    ];
    const [outline] = liveItems(cells, null, trans);
    expect([outline?.name, outline?.summary]).toEqual([
      'Outline of a.ipynb',
      '4 cells, 2 headings'
    ]);
    expect(outline?.text().split('\n').slice(1)).toEqual([
      '1. markdown: # Wages / ## Of 2025',
      '2. code [4]: import pandas',
      '3. code [5], shows an error: wages["mine"]',
      '4. code, not run: (empty)'
    ]);
  });

  it('has the active cell with the output that is not its error, which travels alone', () => {
    const active = cell(2, 'print(1)\nboom()', {
      executionCount: 3,
      traceback: 'Traceback of KeyError',
      outputs: [
        { kind: 'text', text: '1' },
        { kind: 'chat', text: '[chat]' },
        { kind: 'error', text: 'Traceback of KeyError' }
      ]
    });
    const items = liveItems([active], 'c2', trans);
    expect(items.map(({ name, summary }) => `${name} | ${summary}`)).toEqual([
      'Outline of a.ipynb | 1 cell',
      'Cell [3] | print(1)',
      "Error of Cell [3] | KeyError: 'mine'"
    ]);
    expect(textOf(items, 'cell')).toContain('its source:\nprint(1)\nboom()\n\nIts output:\n1');
    expect(textOf(items, 'cell')).not.toContain('Traceback');
    expect(textOf(items, 'error')).toContain('Traceback of KeyError');
  });

  it('has the error of the cell that was run last, wherever that cell is', () => {
    const failed = (index: number, executionCount: number) =>
      cell(index, 'x', { executionCount, traceback: `of ${executionCount}` });
    const items = liveItems([failed(0, 9), failed(1, 12), failed(2, 3)], null, trans);
    expect(textOf(items, 'error')).toContain('of 12');
  });

  it('is bounded, however large the notebook is', () => {
    const text = '漢'.repeat(100_000);
    const large = cell(0, text, { traceback: text, outputs: [{ kind: 'text', text }] });
    const cells = [large, ...Array.from({ length: 1_000 }, (_none, at) => cell(at + 1, text))];
    const items = liveItems(cells, 'c0', trans);
    const head = 200;
    expect(textOf(items, 'outline').length).toBeLessThanOrEqual(MOST_OUTLINE_CHARS);
    expect(textOf(items, 'cell').length).toBeLessThanOrEqual(
      MOST_SOURCE_CHARS + MOST_OUTPUT_CHARS + head
    );
    expect(textOf(items, 'error').length).toBeLessThanOrEqual(MOST_TRACEBACK_CHARS + head);
    expect(textOf(items, 'cell')).toContain('characters are left out');
  });

  it('has nothing of an empty cell, and nothing at all of an empty notebook', () => {
    expect(liveItems([cell(0, ' ')], 'c0', trans).map(({ kind }) => kind)).toEqual(['outline']);
    expect(liveItems([], null, trans)).toEqual([]);
  });
});

/** A panel with cells; those whose index is in `chats` show a thread. */
function panelOf(path: string, sources: readonly string[], chats: Record<number, string> = {}) {
  const node = document.createElement('div');
  const widgets = sources.map((_source, index) => {
    const cellNode = document.createElement('div');
    const thread = chats[index];
    if (thread !== undefined) {
      const chat = document.createElement('div');
      chat.className = 'jp-ChatStream';
      chat.dataset['thread'] = thread;
      cellNode.append(chat);
    }
    node.append(cellNode);
    const model = {
      id: `c${index}`,
      type: 'code',
      sharedModel: { getSource: () => sources[index] }
    };
    return { model, node: cellNode };
  });
  const content = { widgets, activeCell: widgets[0] ?? null, activeCellChanged: new Signal({}) };
  const contentChanged = new Signal({});
  const context = {
    path,
    localPath: path,
    isReady: true,
    ready: Promise.resolve(),
    pathChanged: new Signal({}),
    model: { contentChanged }
  };
  const panel = { node, content, context, disposed: new Signal({}) };
  const activate = (index: number): void => {
    content.activeCell = widgets[index] ?? null;
    (content.activeCellChanged as Signal<object, unknown>).emit(content.activeCell);
  };
  const edit = (index: number, source: string): void => {
    (sources as string[])[index] = source;
    (contentChanged as Signal<object, unknown>).emit(undefined);
  };
  return { panel: panel as unknown as NotebookPanel, node, widgets, activate, edit };
}

function notebooks(...panels: readonly { readonly panel: NotebookPanel }[]) {
  return notebooksBelow('/home/me', ...panels);
}

function notebooksBelow(root: string, ...panels: readonly { readonly panel: NotebookPanel }[]) {
  const all = panels.map(({ panel }) => panel);
  const tracker = {
    currentWidget: all[0] ?? null,
    currentChanged: new Signal({}),
    widgetAdded: new Signal({}),
    find: (wanted: (panel: NotebookPanel) => boolean) => all.find(wanted),
    forEach: (action: (panel: NotebookPanel) => void) => all.forEach(action)
  } as unknown as INotebookTracker;
  const clock = new FakeClock();
  return { source: new LiveNotebooks({ tracker, clock, trans, root }), clock };
}

const chatOf = (change: object = {}) => ({
  node: document.createElement('div'),
  threadId: 't',
  name: null,
  project: '',
  ...change
});

describe('the notebook of a chat', () => {
  it('is the one around it, else the one of its name and folder, else one that shows it', () => {
    const one = panelOf('a.ipynb', ['x']);
    const deep = panelOf('sub/a.ipynb', ['x']);
    const shows = panelOf('b.ipynb', ['1', '2'], { 1: 'shown' });
    const { source } = notebooks(one, deep, shows);
    expect(source.notebookOf(chatOf({ node: shows.widgets[1]?.node }))).toBe('b.ipynb');
    const named = { name: 'a', project: '/home/me/sub' };
    expect(source.read(chatOf(named))[0]?.id).toBe('outline:sub/a.ipynb');
    expect(source.read(chatOf({ ...named, project: '/home/me' }))[0]?.id).toBe('outline:a.ipynb');
    expect(source.notebookOf(chatOf({ threadId: 'shown' }))).toBe('b.ipynb');
  });

  it('is none for a chat that belongs to no open notebook, though one is the current one', () => {
    const { source } = notebooks(panelOf('a.ipynb', ['x']), panelOf('sub/b.ipynb', ['y']));
    for (const chat of [chatOf(), chatOf({ name: 'b', project: '/home/other' })]) {
      expect([source.notebookOf(chat), source.read(chat)]).toEqual([null, []]);
    }
  });

  it('is not the one of the same name in another folder', () => {
    const { source } = notebooksBelow('/home/me/work', panelOf('Untitled.ipynb', ['x']));
    const named = (project: string) => chatOf({ name: 'Untitled', project });
    expect(source.notebookOf(named('/home/me/work'))).toBe('Untitled.ipynb');
    for (const project of ['/home/me/work/sub', '/srv/work', '/home/me', '/', '', 'work']) {
      expect(source.notebookOf(named(project))).toBeNull();
    }
  });

  it.each([
    ['/', '/', 'a.ipynb', true],
    ['/', '/home/me', 'home/me/a.ipynb', true],
    ['/', '/home/me', 'a.ipynb', false],
    ['/', '', 'a.ipynb', false],
    ['/home/me', '/srv/other', 'a.ipynb', false],
    ['C:/Users/me', 'C:/Users/me/sub', 'sub/a.ipynb', true],
    ['', '/', 'a.ipynb', false],
    ['', '/home/me', 'home/me/a.ipynb', false]
  ])('below the root %j, of a thread in %j, is %j: %j', (root, project, path, isIt) => {
    // Servers with other roots share a database: a name alone says nothing.
    const { source } = notebooksBelow(root, panelOf(path, ['x']));
    expect(source.notebookOf(chatOf({ name: 'a', project }))).toBe(isIt ? 'a.ipynb' : null);
  });

  it('has as active cell also one with a proposed edit', () => {
    const one = panelOf('a.ipynb', ['x = 1', 'y = 2']);
    const { source } = notebooks(one);
    one.activate(1);
    const drawn = document.createElement('div');
    drawn.className = 'jp-ChatStream jp-ChatStream-proposal';
    one.widgets[1]?.node.append(drawn);
    const items = source.read(chatOf({ node: one.widgets[0]?.node }));
    expect(items.find(({ kind }) => kind === 'cell')?.summary).toBe('y = 2');
  });

  it('has as active cell the last one that shows no chat', () => {
    const one = panelOf('a.ipynb', ['x = 1', 'Chat("a")', 'y = 2'], { 1: 't' });
    const { source } = notebooks(one);
    const chat = chatOf({ node: one.widgets[1]?.node });
    const active = () => source.read(chat).find(({ kind }) => kind === 'cell')?.summary;
    expect(active()).toBe('x = 1');
    one.activate(2);
    one.activate(1); // a click into the chat
    expect(active()).toBe('y = 2');
    // A cell that is run shows its chat only after it has become the active one.
    const chat2 = one.widgets[1]?.node.firstChild;
    chat2?.remove();
    one.activate(0);
    one.activate(1);
    expect(active()).toBe('Chat("a")');
    one.widgets[1]?.node.append(chat2 ?? '');
    expect(active()).toBe('x = 1');
  });

  it('is told of soon after edits and moves, once, and only to listeners', async () => {
    const one = panelOf('a.ipynb', ['x = 1', 'y = 2']);
    const { source, clock } = notebooks(one);
    await flushPromises();
    one.edit(0, 'x = 2');
    expect(clock.pending).toBe(0);
    let told = 0;
    const end = source.subscribe(() => (told += 1));
    one.edit(0, 'x = 3');
    one.activate(1);
    clock.turn(SETTLE_MS);
    expect(told).toBe(1);
    end();
    one.edit(0, 'x = 4');
    expect(clock.pending).toBe(0);
  });
});
