import { type CommandRegistry } from '@lumino/commands';
import { afterEach, describe, expect, it } from 'vitest';

import { cellOfThread } from '../src/panel/cell-of-thread';
import { drawnRange, tops } from '../src/panel/drawn-window';
import { bindingFor } from '../src/panel/keys';

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
