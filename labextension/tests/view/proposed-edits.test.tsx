// A proposed edit in the card of its call: the diff, whether it fits, and the choices (L13, L17).
import { act } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { Ticker } from '../../src/view/ticker';
import { changesOf } from '../../src/workspace/cell-changes';
import { versionOf } from '../../src/workspace/cell-edits';
import { type CheckedCells } from '../../src/workspace/misfits';
import { parseProposal } from '../../src/workspace/patches';
import { Reviews } from '../../src/workspace/reviews';
import { flushPromises } from '../fakes';
import { arrive, click, has, page, part, services, useStage } from '../stage';
import { allowed, asks, begin, call, card, next, toggle, waits } from './tool-cards';

useStage();

describe('consent to a proposal (L13)', () => {
  const cells = [
    { id: 'a', source: 'a = 1' },
    { id: 'b', source: 'b = 2\nb' }
  ];
  const none = new Set<string>();
  let reviews: Reviews;
  let listeners: Set<() => void>;
  let openPath: string | null;
  /** The file of the notebook, for as long as it is not open. */
  let file: { content: unknown; writable: boolean; last_modified?: string } | null;
  /** For each request of the file: whether all of it was asked for, or its facts alone. */
  let reads: boolean[];
  let isInEditor: boolean;
  /** The notebook as the document is now; `cells/` shows it to the card (tests/e2e). */
  const known = async (
    proposal: unknown,
    request: string,
    present: CheckedCells['cells'] = cells,
    running = none
  ): Promise<void> => {
    const { edits } = parseProposal(proposal as never, 'c1');
    const list = { cells: present, isRunning: (cell: string) => running.has(cell) };
    await act(async () => reviews.show(request, changesOf(edits, list)));
  };
  const tabsChange = async (): Promise<void> => {
    await act(async () => {
      listeners.forEach(listener => listener());
      await flushPromises();
    });
  };
  beforeEach(() => {
    reviews = new Reviews();
    listeners = new Set();
    openPath = 'n.ipynb';
    file = null;
    reads = [];
    isInEditor = false;
    const workspace = {
      reviews,
      notebooks: () => (openPath === null ? [] : [{ path: openPath }]),
      openPath: () => openPath,
      subscribe: (listener: () => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      storage: {
        files: {
          get: async (_path: string, { content }: { content: boolean }) => {
            reads.push(content);
            return file ?? Promise.reject(new Error('404'));
          },
          save: () => Promise.reject(new Error('not expected here'))
        },
        isOpenHere: () => openPath !== null,
        isOpenElsewhere: async () => false,
        isInEditor: () => isInEditor
      }
    };
    Object.assign(services, { workspace });
  });
  const written = (some: typeof cells, last_modified: string) => ({
    content: {
      nbformat: 4,
      nbformat_minor: 5,
      cells: some.map(cell => ({ ...cell, metadata: {}, cell_type: 'raw' }))
    },
    writable: true,
    last_modified
  });
  const pin = (index: number, value: string) => ({
    op: 'test',
    path: `/cells/${index}/id`,
    value
  });
  const value = { cell_type: 'code', source: 'c <b>', id: 'new' };
  const patch = [
    pin(0, 'a'),
    { op: 'replace', path: '/cells/0/source', value: 'a = 3' },
    pin(1, 'b'),
    { op: 'add', path: '/cells/2', value },
    { op: 'remove', path: '/cells/1' }
  ];
  const versions = { a: versionOf('a = 1'), b: 'old' };
  const input = { operation: 'propose', path: 'n.ipynb', versions, patch };
  const change = { name: 'notebook', where: 'page', effect: 'change', input };
  const choices = ['once', 'some', 'thread', 'always', 'no'];
  const items = () => [...card().querySelectorAll<HTMLElement>('[data-testid=cell-change]')];
  const button = (cell: number, testid: string) =>
    items()[cell]?.querySelector<HTMLButtonElement>(`[data-testid=${testid}]`);
  const answers = () => page.api.calls.filter(({ path }) => path.endsWith('/input'));

  it('shows each cell as a diff, and what has changed meanwhile', async () => {
    await begin(call(0, 'c1', change), asks('c1', { choices }), waits);
    await known(input, 'ask-c1');
    expect(items().map(item => item.getAttribute('aria-label'))).toEqual([
      'Change cell 1',
      'New code cell, below cell 2',
      'Delete cell 2'
    ]);
    const lines = (index: number) =>
      [...(items()[index]?.querySelectorAll('.jp-ChatStream-diffLine') ?? [])].map(
        line => line.textContent
      );
    expect([lines(0), lines(1), lines(2)]).toEqual([
      ['−a = 1', '+a = 3'],
      ['+c <b>'],
      ['−b = 2', '−b']
    ]);
    expect(items()[0]?.querySelector('mark')?.textContent).toBe('1');
    expect(items().map(item => item.querySelector('[data-testid=misfit]') !== null)).toEqual([
      false,
      false,
      true
    ]);
    await arrive(next(allowed('c1', 'once', 'local')));
    await toggle(card(), true);
    expect(lines(0)).toEqual(['−a = 1', '+a = 3']); // as the person saw it
    expect(card().textContent).not.toContain('jp-ChatStream');
  });

  describe('that does not fit any more (L17)', () => {
    const fitting = { ...input, versions: { a: versionOf('a = 1'), b: versionOf('b = 2\nb') } };
    const asked = { ...change, input: fitting };
    const misfits = (): string => part('misfits').textContent ?? '';
    const locked = (id: string, lock: string) =>
      cells.map(cell => (cell.id === id ? { ...cell, metadata: { [lock]: false } } : cell));
    beforeEach(() => begin(call(0, 'c1', asked), asks('c1', { choices }), waits));

    it.each([
      ['whose cell is gone', cells.slice(0, 1), none, 'a cell is gone'],
      ['whose cell is locked', locked('a', 'editable'), none, 'cell 1 is protected'],
      ['whose cell must stay', locked('b', 'deletable'), none, 'cell 2 is protected'],
      ['whose cell runs', cells, new Set(['a']), 'cell 1 is running'],
      [
        'whose cells differ',
        cells.map(cell => ({ ...cell, source: 'x' })),
        none,
        'cell 1 has changed since the model read it; cell 2 has changed since the model read it'
      ]
    ])(
      'tells so before the consent, %s, and follows the document',
      async (_what, now, runs, why) => {
        await known(fitting, 'ask-c1');
        expect(misfits()).toBe('');
        await known(fitting, 'ask-c1', now, runs);
        expect(misfits()).toBe(`Accepting will change nothing: ${why}.`);
        await known(fitting, 'ask-c1'); // by an undo, or by the end of the run
        expect(misfits()).toBe('');
      }
    );

    it('fits again if the cell that runs is left as it is', async () => {
      await known(fitting, 'ask-c1', cells, new Set(['a']));
      await act(async () => button(0, 'reject-cell')?.click());
      expect(misfits()).toBe('');
    });

    it('is compared with the file once its notebook is closed, and named as it is when renamed', async () => {
      const name = () => part('proposed-edits').querySelector('p')?.textContent;
      openPath = 'renamed.ipynb';
      await tabsChange();
      expect(name()).toBe('renamed.ipynb');
      openPath = null;
      await tabsChange();
      expect(name()).toBe('n.ipynb, which is not open in this page');
      expect(part('misfits').getAttribute('role')).toBe('status'); // no bar speaks for it
      expect(misfits()).toBe(
        'Accepting will change nothing: the notebook is not open, and its file could not be read.'
      );
      file = written(cells, '1');
      isInEditor = true;
      await tabsChange();
      expect(misfits()).toContain('the notebook is open in a text editor');
      isInEditor = false;
      await tabsChange();
      expect(misfits()).toBe('');
      expect(items()[0]?.querySelector('del')?.textContent).toBe('−a = 1');
    });
  });

  it('follows its closed notebook while another program writes it and nobody has decided', async () => {
    const time = async (by_ms: number): Promise<void> => {
      await act(async () => {
        page.network.clock.turn(by_ms);
        await flushPromises();
      });
    };
    const fitting = { ...input, versions: { a: versionOf('a = 1'), b: versionOf('b = 2\nb') } };
    openPath = null;
    file = written(cells, '1');
    const asked = call(0, 'c1', { ...change, input: fitting });
    await begin(asked, asks('c1', { choices }), waits);
    expect(part('misfits').textContent).toBe('');
    reads = [];
    await time(5_000);
    await time(5_000);
    expect(reads).toEqual([false, false]); // it has not changed, so only its facts are read
    file = written(cells.slice(0, 1), '2');
    await time(5_000);
    expect(part('misfits').textContent).toContain('a cell is gone');
    file = written(cells, '3');
    await time(5_000);
    expect(part('misfits').textContent).toBe('');
    const answered = { type: 'input', request_id: 'ask-c1', value: 'once', by: 'local' };
    await arrive(next(answered, allowed('c1', 'once', 'local')));
    reads = [];
    await time(60_000);
    expect(reads).toEqual([]);
  });

  it('wakes the page for its closed notebook only until it is answered', async () => {
    const listen = vi.spyOn(Ticker.prototype, 'listen');
    openPath = null;
    file = written(cells, '1');
    await begin(call(0, 'c1', change), asks('c1', { choices }), waits);
    expect(listen).toHaveBeenCalledWith(5_000, expect.anything());
    const answered = { type: 'input', request_id: 'ask-c1', value: 'once', by: 'local' };
    await arrive(next(answered, allowed('c1', 'once', 'local')));
    listen.mockClear();
    await toggle(card(), false);
    await toggle(card(), true); // the card is drawn anew
    await act(async () => page.network.clock.turn(60_000));
    expect(has('proposed-edits')).toBe(true);
    expect(listen).not.toHaveBeenCalledWith(5_000, expect.anything());
    listen.mockRestore();
  });

  it('is accepted or rejected cell by cell, and the last choice sends them (L13)', async () => {
    await begin(call(0, 'c1', change), asks('c1', { choices, request_id: 'ask-parts' }), waits);
    await act(async () => button(0, 'accept-cell')?.click());
    await act(async () => button(1, 'reject-cell')?.click());
    expect(items().map(item => item.dataset['verdict'])).toEqual(['accepted', 'refused', 'open']);
    expect(button(0, 'accept-cell')?.getAttribute('aria-pressed')).toBe('true');
    await act(async () => button(1, 'accept-cell')?.click());
    expect(answers()).toEqual([]);
    await act(async () => button(2, 'reject-cell')?.click());
    expect(answers().map(({ body }) => body)).toEqual([
      { request_id: 'ask-parts', value: { choice: 'some', accepted: ['a', 'new'] } }
    ]);
    expect(document.activeElement).toBe(card().querySelector('summary'));
  });

  it.each([
    ['consent-once', 'Accept the rest', ['new', 'b']],
    ['consent-no', 'Reject the rest', ['b']]
  ])('keeps a cell rejected if %s decides the rest (L13)', async (testid, text, accepted) => {
    const request_id = `ask-rest-${testid}`;
    await begin(call(0, 'c1', change), asks('c1', { choices, request_id }), waits);
    expect([has('consent-thread'), has('consent-always')]).toEqual([true, true]);
    await act(async () => button(0, 'reject-cell')?.click());
    await act(async () => button(2, 'accept-cell')?.click());
    expect([has('consent-thread'), has('consent-always')]).toEqual([false, false]);
    expect(part(testid).textContent).toBe(text);
    await click(testid);
    const value = { choice: 'some', accepted };
    expect(answers().map(({ body }) => body)).toEqual([{ request_id, value }]);
  });

  it('that was accepted in part tells which cells', async () => {
    await begin(call(0, 'c1', change), asks('c1', { choices }), waits);
    const some = { choice: 'some', accepted: ['new'] };
    await arrive(
      next(
        { type: 'input', request_id: 'ask-c1', value: some, by: 'local' },
        { ...allowed('c1', 'once', 'local'), accepted: ['new'] }
      )
    );
    await toggle(card(), true);
    expect(items().map(item => item.dataset['verdict'])).toEqual([
      'refused',
      'accepted',
      'refused'
    ]);
    expect(part('consent-answer').textContent).toBe('Allowed in part, by you.');
  });

  it('that is none is shown as it is', async () => {
    const broken = { ...change, input: { ...input, patch: [{ op: 'copy' }] } };
    await begin(call(0, 'c1', broken), asks('c1', { choices }), waits);
    expect(items()).toEqual([]);
    expect(part('tool-input').textContent).toContain('copy');
  });
});
