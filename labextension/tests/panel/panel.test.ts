import { type CommandRegistry } from '@lumino/commands';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { cellOfThread } from '../../src/panel/cell-of-thread';
import { drawnRange, tops } from '../../src/panel/drawn-window';
import { focusChat } from '../../src/panel/focus';
import { bindingFor } from '../../src/panel/keys';
import { toolsOfNew } from '../../src/threads/default-mode';
import { isUntouched } from '../../src/threads/rows';

const binding = (command: string, key: string, selector: string): CommandRegistry.IKeyBinding => ({
  command,
  keys: [key],
  selector,
  args: {}
});

const BINDINGS = [
  binding('chat-stream:focus-composer', 'Ctrl Shift Space', 'body'),
  binding('chat-stream:back-to-cell', 'Ctrl Shift Space', '.jp-ChatStream'),
  binding('docmanager:save', 'Ctrl S', 'body'),
  binding('notebook:run-cell', 'Shift Enter', '.jp-Notebook'),
  binding('app:letter', 'X', 'body')
];

afterEach(() => document.body.replaceChildren());

function field(around: string): Element {
  document.body.innerHTML = `<div class="${around}"><div class="jp-ChatStream"><input></div></div>`;
  return document.querySelector('input') as Element;
}

describe('a key in a chat', () => {
  it('means the command of the chat that is bound closest to it', () => {
    const inCell = field('jp-Notebook');
    const found = bindingFor(BINDINGS, 'Ctrl Shift Space', inCell);
    expect(found?.command).toBe('chat-stream:back-to-cell');
  });

  it('reaches nothing of the notebook around it, nor of the page in a cell', () => {
    const inCell = field('jp-Notebook');
    expect(bindingFor(BINDINGS, 'Shift Enter', inCell)).toBeUndefined();
    expect(bindingFor(BINDINGS, 'Ctrl S', inCell)).toBeUndefined();
  });

  it('reaches what works everywhere from the panel, but no plain letter', () => {
    const inPanel = field('jp-ChatStream-place');
    expect(bindingFor(BINDINGS, 'Ctrl S', inPanel)?.command).toBe('docmanager:save');
    expect(bindingFor(BINDINGS, 'X', inPanel)).toBeUndefined();
  });
});

it('draws the rows of 5,000 that are in the window, and some around it', () => {
  const all = tops(Array.from({ length: 5_000 }, (_, at) => (at % 10 === 0 ? 30 : 50)));
  expect(drawnRange(all, 0, 800).from).toBe(0);
  for (const top of [0, 1_234, 100_000, (all.at(-1) ?? 0) - 800]) {
    const { from, to } = drawnRange(all, top, 800);
    expect(to - from).toBeLessThan(60);
    expect(all[from] ?? Infinity).toBeLessThanOrEqual(top);
    expect(all[to] ?? -1).toBeGreaterThanOrEqual(top + 800);
  }
  expect(drawnRange(tops([]), 0, 800)).toEqual({ from: 0, to: 0 });
});

it('makes a cell that shows the thread without being run, whatever the thread is called', () => {
  const cell = cellOfThread('id"1', 'A "title"');
  expect(cell.source).toContain('Chat(thread="id\\"1")');
  expect(Object.values(cell.outputs[0]?.data ?? {})[0]).toEqual({ thread: 'id"1' });
});

describe('the focus of a chat that is opened', () => {
  const drawn = (html: string): HTMLElement => {
    const node = document.createElement('div');
    node.innerHTML = html;
    document.body.append(node);
    return node;
  };
  const list = '<input data-testid="thread-search">';
  const composer = '<textarea data-testid="field"></textarea>';
  const focused = (): string | undefined =>
    (document.activeElement as HTMLElement).dataset['testid'];

  beforeEach(() => {
    vi.spyOn(Element.prototype, 'getClientRects').mockReturnValue([{}] as unknown as DOMRectList);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    document.body.replaceChildren();
  });

  it('goes to the composer, also beside the list, and waits until it is drawn', async () => {
    const node = drawn(`<div data-open="true">${list}<p></p></div>`);
    focusChat(node);
    expect(focused()).toBeUndefined();
    node.querySelector('p')?.insertAdjacentHTML('afterend', composer);
    await new Promise(resolve => setTimeout(resolve));
    expect(focused()).toBe('field');
  });

  it('goes to the search field where no thread is open', () => {
    focusChat(drawn(`<div data-open="false">${list}</div>`));
    expect(focused()).toBe('thread-search');
  });

  it('stays with a reader who has gone on', async () => {
    const cell = drawn('<textarea data-testid="cell"></textarea>');
    const node = drawn('<div data-open="true"></div>');
    focusChat(node);
    cell.querySelector('textarea')?.focus();
    node.firstElementChild?.insertAdjacentHTML('beforeend', composer);
    await new Promise(resolve => setTimeout(resolve));
    expect(focused()).toBe('cell');
  });
});

it('gives the mode of the settings to new threads only, and none that asks anyway', () => {
  const made = { id: 't', head: null };
  expect(toolsOfNew(made, 'read_only')).toEqual({ mode: 'read_only', names: null });
  expect(toolsOfNew(made, 'ask')).toBeNull();
  expect(toolsOfNew({ ...made, head: 'm' }, 'accept_edits')).toBeNull();
  const chosen = { mode: 'ask', names: ['kernel'] };
  expect(toolsOfNew({ ...made, tools: chosen }, 'accept_edits')).toBeNull();
  // A chat that got the mode, and nothing else, is opened again by "New".
  const row = { id: 't', updated_at: 'x', seq: 2, tools: { mode: 'read_only', names: null } };
  expect(isUntouched(row, 'read_only')).toBe(true);
  expect(isUntouched(row, 'ask')).toBe(false);
  expect(isUntouched({ ...row, seq: 3 }, 'read_only')).toBe(false);
  expect(isUntouched({ ...row, seq: 1, tools: undefined }, 'read_only')).toBe(true);
});
