// The bar above a code block, in a page with notebooks and in one without.
import { afterEach, describe, expect, it, vi } from 'vitest';

import { IncrementalMarkdown } from '../../src/view/drawing/markdown';
import { OpenProposals } from '../../src/workspace/open-proposals';
import { Reviews } from '../../src/workspace/reviews';
import { type ActionResult, type CodeBlock, type Workspace } from '../../src/workspace/values';
import { FakeServices } from '../drawn';

const PLACE = { path: 'a.ipynb', cellId: 'c' };
const TEXT = 'Look:\n\n```python\nx = 1\n```\n';

/** Notebooks that note what is done to them. */
const refused = (): Promise<never> => Promise.reject(new Error('not expected here'));

class FakeWorkspace implements Workspace {
  readonly reviews = new Reviews();
  readonly proposals = new OpenProposals();
  readonly storage = {
    files: { get: refused, save: refused },
    isOpenHere: () => false,
    isOpenElsewhere: refused,
    isInEditor: () => false
  };

  readonly done: [string, CodeBlock][] = [];
  readonly listeners = new Set<() => void>();
  isOpen = true;
  reason: string | null = null;
  result: ActionResult = { isDone: true, cellId: 'new' };

  notebooks() {
    const notebook = { path: 'a.ipynb', localPath: 'a.ipynb', name: 'a.ipynb' };
    return this.isOpen ? [{ ...notebook, language: 'python', isCurrent: true }] : [];
  }
  placeOf = () => (this.isOpen ? PLACE : null);
  openPath = () => (this.isOpen ? 'a.ipynb' : null);
  cells = () => [];
  cell = () => null;
  nameOf = () => 'cell [3] of a.ipynb';
  variables = () => Promise.resolve({ state: 'no_kernel' as const });
  describe = () => Promise.resolve({ state: 'no_kernel' as const });
  obstacle = () => (this.isOpen ? this.reason : 'No notebook is open.');
  act = (action: string, _place: unknown, block: CodeBlock) => {
    this.done.push([action, block]);
    return this.result;
  };
  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
}

class NotebookServices extends FakeServices {
  constructor(override readonly workspace: FakeWorkspace | null) {
    super();
  }
}

const hosts: HTMLElement[] = [];

async function draw(workspace: FakeWorkspace | null, text = TEXT, isEnded = true) {
  const host = document.createElement('div');
  document.body.append(host);
  hosts.push(host);
  const services = new NotebookServices(workspace);
  const markdown = new IncrementalMarkdown(host, services);
  markdown.update(text, isEnded);
  await services.rest();
  const part = (testid: string) => {
    const found = host.querySelector<HTMLElement>(`[data-testid=${testid}]`);
    if (found === null) {
      throw new Error(`There is no ${testid}.`);
    }
    return found;
  };
  const names = () =>
    [...host.querySelectorAll('button')].map(({ dataset }) => dataset['testid'] ?? '');
  return { host, services, markdown, part, names };
}

afterEach(() => hosts.splice(0).forEach(host => host.remove()));

describe('the bar above a code block', () => {
  it('runs the code once for a double click, and gets its label back', async () => {
    const workspace = new FakeWorkspace();
    const { part } = await draw(workspace);
    vi.useFakeTimers();
    const press = (count: number) =>
      part('run').dispatchEvent(new MouseEvent('click', { bubbles: true, detail: count }));
    try {
      press(1);
      press(2);
      press(3);
      expect(workspace.done.length).toBe(1);
      expect(part('run').title).toBe('Running');
      press(1);
      part('run').click(); // by key
      expect(workspace.done.length).toBe(3);
      vi.runAllTimers();
      expect(part('run').title).toBe('Run in a new cell');
    } finally {
      vi.useRealTimers();
    }
  });

  it('leaves no timer behind', async () => {
    const { part, markdown } = await draw(new FakeWorkspace());
    vi.useFakeTimers();
    try {
      part('run').click();
      expect(vi.getTimerCount()).toBe(1);
      markdown.dispose();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('offers only to copy while the block grows, and then the actions on cells', async () => {
    const { services, markdown, names, host } = await draw(
      new FakeWorkspace(),
      'Look:\n\n```python\nx =',
      false
    );
    expect(names()).toEqual(['copy-code']);
    const bar = host.querySelector('.jp-ChatStream-codeBar');
    markdown.update(TEXT, true);
    await services.rest();
    expect(names()).toEqual(['insert-below', 'insert-at-cursor', 'replace', 'run', 'copy-code']);
    expect(host.querySelector('.jp-ChatStream-codeBar')).toBe(bar);
    expect(host.textContent).toBe('Look:x = 1');
  });

  it('offers only to copy on a page without notebooks', async () => {
    expect((await draw(null)).names()).toEqual(['copy-code']);
  });

  it('acts on the cell that it names, with the language and the text of the block', async () => {
    const workspace = new FakeWorkspace();
    const { part } = await draw(workspace);
    part('insert-below').dispatchEvent(new Event('focus'));
    expect(part('insert-below').title).toBe('Insert below: cell [3] of a.ipynb');
    for (const name of ['insert-below', 'insert-at-cursor', 'replace', 'run']) {
      part(name).click();
      expect(part(name).dataset['result']).toBe('done');
    }
    expect(workspace.done).toEqual(
      ['insert_below', 'insert_at_cursor', 'replace', 'run'].map(action => [
        action,
        { language: 'python', text: 'x = 1' }
      ])
    );
  });

  it('is disabled with the reason while no notebook is open', async () => {
    const workspace = new FakeWorkspace();
    workspace.isOpen = false;
    const { part } = await draw(workspace);
    expect(part('run').getAttribute('aria-disabled')).toBe('true');
    expect(part('run').title).toBe('Run in a new cell: No notebook is open.');
    part('run').click();
    expect(workspace.done).toEqual([]);
    expect(part('code-note').textContent).toBe('No notebook is open.');
    workspace.isOpen = true;
    workspace.listeners.forEach(listener => listener());
    expect(part('run').getAttribute('aria-disabled')).toBe('false');
    part('run').click();
    expect(workspace.done).toHaveLength(1);
  });

  it('tells that the cell is gone, and offers the end of the notebook', async () => {
    const workspace = new FakeWorkspace();
    workspace.result = { isDone: false, reason: 'The cell is no longer there.', isCellGone: true };
    const { part, host } = await draw(workspace);
    part('replace').click();
    expect(part('code-note').textContent).toContain('The cell is no longer there.');
    expect(document.activeElement).toBe(part('insert-at-end'));
    expect(part('insert-at-end').getAttribute('aria-label')).toContain('no longer there');
    workspace.result = { isDone: true, cellId: 'new' };
    part('insert-at-end').click();
    expect(workspace.done.map(([action]) => action)).toEqual(['replace', 'insert_at_end']);
    expect(host.querySelector('[data-testid=code-note]')).toBeNull();
  });

  it('is one stop for Tab, and the arrow keys move among its buttons', async () => {
    const { host, part } = await draw(new FakeWorkspace());
    const stops = () =>
      [...host.querySelectorAll('button')].flatMap(one =>
        one.tabIndex === 0 ? one.dataset['testid'] : []
      );
    expect(stops()).toEqual(['copy-code']);
    part('copy-code').focus();
    const press = (key: string) => {
      const event = new KeyboardEvent('keydown', { key, bubbles: true });
      document.activeElement?.dispatchEvent(event);
      return (document.activeElement as HTMLElement).dataset['testid'];
    };
    expect(press('ArrowRight')).toBe('insert-below');
    expect(press('ArrowLeft')).toBe('copy-code');
    expect(press('ArrowLeft')).toBe('run');
    expect(press('Home')).toBe('insert-below');
    expect(stops()).toEqual(['insert-below']);
  });

  it('listens to the notebooks only as long as it is shown', async () => {
    const workspace = new FakeWorkspace();
    const { markdown } = await draw(workspace);
    expect(workspace.listeners.size).toBe(1);
    markdown.dispose();
    expect(workspace.listeners.size).toBe(0);
  });
});
