// The cards of tool calls, and the consent that a person gives in them (L13).
import { act } from 'react';
import { beforeEach, describe, expect, it } from 'vitest';

import { ApiError } from '../../src/connection/api';
import { type ToolUse, toolState } from '../../src/fold/tool-calls';
import { revealed } from '../../src/text/hidden-characters';
import { toolHint } from '../../src/view/tools/tool-hints';
import { changesOf } from '../../src/workspace/cell-changes';
import { versionOf } from '../../src/workspace/cell-edits';
import { type CheckedCells } from '../../src/workspace/misfits';
import { parseProposal } from '../../src/workspace/patches';
import { Reviews } from '../../src/workspace/reviews';
import { ENGLISH, conversation, flushPromises } from '../fakes';
import {
  arrive,
  click,
  end,
  has,
  host,
  page,
  part,
  services,
  show,
  type,
  useStage
} from '../stage';

useStage();

const RUN = { thread_id: 't', run_id: 'r', message_id: 'a', attempt: 1 };
const LATER = '2999-01-01T00:00:00Z';
let seq = 0;

/** Events of the run, numbered after those that have arrived. */
function next(...events: readonly object[]): object[] {
  return events.map(event => ({
    ...RUN,
    at: new Date(++seq * 1_000).toISOString(),
    seq,
    ...event
  }));
}

async function begin(...events: readonly object[]): Promise<void> {
  seq = 3;
  await show();
  await arrive([
    ...conversation().slice(0, 3),
    ...next({ type: 'status', phase: 'thinking' }, ...events)
  ]);
}

const call = (index: number, id: string, change: object = {}) => ({
  type: 'tool_start',
  part: index,
  tool_call_id: id,
  name: 'kernel',
  input: { operation: 'run', code: 'print(1)\nprint(2)' },
  where: 'kernel',
  effect: 'run',
  expires_at: LATER,
  ...change
});
const asks = (id: string, change: object = {}) => ({
  type: 'input_request',
  request_id: `ask-${id}`,
  kind: 'consent',
  tool_call_id: id,
  prompt: 'May kernel.run be called?',
  choices: ['once', 'thread', 'always', 'no'],
  expires_at: LATER,
  ...change
});
const waits = { type: 'status', phase: 'waiting', detail: 'tools', until: LATER };
const allowed = (id: string, consent = 'once', by: string | null = 'local') => ({
  type: 'tool_allowed',
  tool_call_id: id,
  consent,
  by
});
const claimed = (id: string, executor: string | null = 'kernel of a.ipynb') => ({
  type: 'tool_claimed',
  tool_call_id: id,
  executor
});
const printed = (id: string, text: string) => ({ type: 'tool_output', tool_call_id: id, text });
const result = (id: string, success = true, output: unknown = 'rows', change: object = {}) => ({
  type: 'tool_result',
  tool_call_id: id,
  name: 'kernel',
  success,
  output,
  ...change
});

const card = (): HTMLDetailsElement => part('tool-call') as HTMLDetailsElement;
const summary = (): string => card().querySelector('summary')?.textContent ?? '';

async function toggle(node: HTMLDetailsElement, isOpen: boolean): Promise<void> {
  await act(async () => {
    node.open = isOpen;
    node.dispatchEvent(new Event('toggle'));
  });
}

describe('consent (L13)', () => {
  it('is asked in the open card of the call, with exactly what will run', async () => {
    await begin(call(0, 'c1'));
    await arrive(next(asks('c1'), waits));
    expect(card().open).toBe(true);
    expect(card().dataset['state']).toBe('asks');
    expect(summary()).toContain('asks you');
    expect(summary()).toContain('kernel.run');
    expect(part('tool-code').textContent).toBe('print(1)\nprint(2)');
    expect(has('input-request')).toBe(false);
    expect(part('status').textContent).toBe('Waiting for you');
    expect(part('announcer').textContent).toContain('Asks you: May the model call kernel.run?');
  });

  it.each([
    ['consent-once', 'once'],
    ['consent-thread', 'thread'],
    ['consent-always', 'always'],
    ['consent-no', 'no']
  ])('is answered by %s, and the focus stays at the card', async (button, value) => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    part(button).focus();
    await click(button);
    const { body } = page.api.call('POST', 'runs/r/input');
    expect(body).toEqual({ request_id: 'ask-c1', value });
    expect(document.activeElement).toBe(card().querySelector('summary'));
    expect((part('consent-once') as HTMLButtonElement).disabled).toBe(true);
  });

  it('takes words to the model with a refusal, by Enter in their field', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await type('use the copy', 'consent-words');
    await act(async () => part('refusal').dispatchEvent(new Event('submit', { bubbles: true })));
    const { body } = page.api.call('POST', 'runs/r/input');
    expect(body).toEqual({ request_id: 'ask-c1', value: { choice: 'no', words: 'use the copy' } });
  });

  it('shows the first answer, and tells a second one that it was not used', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await click('consent-always');
    await act(async () =>
      page.api
        .call('POST', 'runs/r/input')
        .fail(new ApiError(409, 'request_not_open', 'late', { value: 'no', by: 'ada' }))
    );
    expect(has('consent')).toBe(false);
    expect(part('consent-answer').textContent).toBe('Not allowed, by ada.');
    expect(part('consent-beaten').textContent).toContain('“Always allowed” was not used');
    expect(has('problem')).toBe(false);
  });

  it('that is answered elsewhere loses neither the typed words nor the focus', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await type('use the copy', 'consent-words');
    part('consent-words').focus();
    await arrive(next({ type: 'input', request_id: 'ask-c1', value: 'once', by: 'ada' }));
    expect(has('consent')).toBe(false);
    expect(card().open).toBe(true);
    expect(part('unsent-words').textContent).toBe('Your words were not sent: “use the copy”');
    expect(part('consent-answer').textContent).toBe('Allowed once, by ada.');
    expect(document.activeElement).toBe(card().querySelector('summary'));
  });

  it('that expires among other calls does not lose the typed words either', async () => {
    await begin(call(0, 'c1'), call(1, 'c2'), asks('c1'), waits);
    await type('use the copy', 'consent-words');
    await arrive(next(result('c1', false, 'Nobody consented in time.'), result('c2')));
    expect(part('unsent-words').textContent).toContain('“use the copy”');
  });

  it('tells of no unsent words where an answer has carried them', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await type('use the copy', 'consent-words');
    const value = { choice: 'no', words: 'use the copy' };
    await arrive(next({ type: 'input', request_id: 'ask-c1', value, by: 'local' }));
    expect(card().open).toBe(false);
  });

  it('stays open while another call runs, and offers only what the server takes', async () => {
    await begin(
      call(0, 'c1'),
      call(1, 'c2'),
      allowed('c1', 'none', null),
      asks('c2', { choices: ['once', 'no'] })
    );
    await arrive(next({ type: 'status', phase: 'thinking' }));
    const [first, second] = host.querySelectorAll<HTMLElement>('[data-testid=tool-call]');
    expect([first?.dataset['state'], second?.dataset['state']]).toEqual(['waiting', 'asks']);
    expect(has('consent-once')).toBe(true);
    expect(has('consent-always')).toBe(false);
    expect(part('tool-group').textContent).toContain('one asks you');
  });

  it('that nobody gave in time leaves a sentence, and no buttons', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await arrive(next(result('c1', false, 'Nobody consented in time.')));
    expect(card().dataset['state']).toBe('expired');
    await toggle(card(), true);
    expect(has('consent')).toBe(false);
    expect(part('tool-hint').textContent).toContain('nobody answered in time');
    expect(part('tool-output').textContent).toContain('What the model was told');
  });

  it('that was refused shows by whom and with what words', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    const value = { choice: 'no', words: 'not on <b>Friday</b>' };
    await arrive(next({ type: 'input', request_id: 'ask-c1', value, by: 'ada' }));
    expect(card().dataset['state']).toBe('checking');
    await arrive(next(result('c1', false, 'Refused.')));
    expect(card().dataset['state']).toBe('refused');
    await toggle(card(), true);
    expect(part('consent-answer').textContent).toBe('Not allowed: “not on <b>Friday</b>”, by ada.');
  });

  it('shows characters that would hide what runs', async () => {
    const code = 'safe = 1 #\u202e\u2066 (live)';
    await begin(call(0, 'c1', { input: { operation: 'run', code } }), asks('c1'), waits);
    expect(part('tool-code').textContent).toBe('safe = 1 #⟨U+202E⟩⟨U+2066⟩ (live)');
    expect(revealed('tab\tline\n a\u200bb \u{e0041}')).toBe('tab\tline\n a⟨U+200B⟩b ⟨U+E0041⟩');
    expect(revealed('é 漢字 🐍 ✔️ 👩‍💻 عربى')).toBe('é 漢字 🐍 ✔️ 👩‍💻 عربى');
  });

  it.each([
    ['a long text', `run ${'a'.repeat(60)}; rm -rf ~`, 'rm -rf ~'],
    ['no text', { rm: '~' }, '"rm": "~"']
  ])('shows all of an input, an operation too that is %s', async (_what, operation, shown) => {
    await begin(call(0, 'c1', { input: { operation, code: 'x' } }), asks('c1'), waits);
    expect(part('tool-input').textContent).toContain(shown);
    expect(card().querySelector('summary code')?.textContent).toBe('kernel');
  });

  describe('to a proposal', () => {
    const cells = [
      { id: 'a', source: 'a = 1' },
      { id: 'b', source: 'b = 2\nb' }
    ];
    const none = new Set<string>();
    let reviews: Reviews;
    let listeners: Set<() => void>;
    let openPath: string | null;
    /** The file of the notebook, for as long as it is not open. */
    let file: { content: unknown; writable: boolean } | null;
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
            get: async () => file ?? Promise.reject(new Error('404')),
            save: () => Promise.reject(new Error('not expected here'))
          },
          isOpenHere: () => openPath !== null,
          isOpenElsewhere: async () => false,
          isInEditor: () => isInEditor
        }
      };
      Object.assign(services, { workspace });
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
        const fields = { metadata: {}, cell_type: 'raw' };
        const content = {
          nbformat: 4,
          nbformat_minor: 5,
          cells: cells.map(cell => ({ ...cell, ...fields }))
        };
        file = { content, writable: true };
        isInEditor = true;
        await tabsChange();
        expect(misfits()).toContain('the notebook is open in a text editor');
        isInEditor = false;
        await tabsChange();
        expect(misfits()).toBe('');
        expect(items()[0]?.querySelector('del')?.textContent).toBe('−a = 1');
      });
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

  it('shows the objects of a list one by one, with the lines of their texts as lines', async () => {
    const edits = [
      { op: 'replace', cell: 'a', source: 'x = 1\nprint(x)', deep: [{ y: 1 }] },
      { op: 'insert', after: 'a', source: '<b>Next</b>' }
    ];
    const mixed = [{ z: 1 }, 2];
    const input = { operation: 'propose', edits, mixed };
    await begin(call(0, 'c1', { name: 'notebook', input, effect: 'change' }), asks('c1'), waits);
    const items = [...card().querySelectorAll('.jp-ChatStream-toolItems > li')];
    expect(items.length).toBe(2);
    expect(items[0]?.querySelector('pre')?.textContent).toBe('x = 1\nprint(x)');
    expect(items[0]?.textContent).toContain(JSON.stringify([{ y: 1 }], null, 2));
    expect(items[1]?.textContent).toBe('opinsertafterasource<b>Next</b>');
    expect(card().textContent).toContain(JSON.stringify(mixed, null, 2));
  });
});

describe('a call', () => {
  it('tells who runs it, shows its output as it comes, and folds when it is done', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await arrive(next({ type: 'input', request_id: 'ask-c1', value: 'once', by: 'local' }));
    await arrive(next(allowed('c1'), waits));
    expect(card().dataset['state']).toBe('waiting');
    expect(part('status').textContent).toBe('Waiting for kernel.run');
    await arrive(
      next(claimed('c1'), printed('c1', '10%\r'), printed('c1', '\u001b[31m20%\u001b[0m'))
    );
    expect(card().dataset['state']).toBe('running');
    expect(card().open).toBe(true);
    expect(part('tool-progress').textContent).toBe('20%');
    expect(part('tool-executor').textContent).toBe('Running in kernel of a.ipynb');
    expect(part('status').title).toBe('Running kernel.run in kernel of a.ipynb…');
    await arrive(next(result('c1', true, { rows: 3 })));
    expect(card().open).toBe(false);
    expect(summary()).toBe('donekernel.runprint(1) print(2)5 s');
    await toggle(card(), true);
    expect(part('tool-output').textContent).toContain('"rows": 3');
    expect(part('consent-answer').textContent).toBe('Allowed once, by you.');
    expect(part('tool-executor').textContent).toBe('Ran in kernel of a.ipynb');
  });

  it('follows the end of a growing output until the reader scrolls back', async () => {
    await begin(call(0, 'c1'), allowed('c1', 'always'), claimed('c1'), printed('c1', 'a\n'));
    const box = part('tool-progress');
    const sizes = { scrollHeight: 500, clientHeight: 100 };
    for (const [name, value] of Object.entries(sizes)) {
      Object.defineProperty(box, name, { value });
    }
    await arrive(next(printed('c1', 'b\n')));
    expect(box.scrollTop).toBe(500);
    box.scrollTop = 200;
    await act(async () => void box.dispatchEvent(new Event('scroll')));
    await arrive(next(printed('c1', 'c\n')));
    expect(box.scrollTop).toBe(200);
  });

  it('draws the last lines of a long output while it grows, and all of it in the end', async () => {
    const line = `${'x'.repeat(99)}\n`;
    await begin(
      call(0, 'c1'),
      allowed('c1', 'mode'),
      claimed('c1'),
      printed('c1', `first\n${line.repeat(1_000)}`)
    );
    expect(part('tool-progress').textContent?.length).toBeLessThan(17_000);
    expect(part('tool-call').textContent).toContain('The beginning is shown when');
    await arrive(next(result('c1'), end(seq + 2, 'completed')));
    await toggle(card(), true);
    expect(part('tool-progress').textContent).toContain('first');
    expect(part('allowance').textContent).toContain('Allowed by the mode of this chat');
  });

  it('stays open when it is done if somebody reads in it, and stays folded for who folds it', async () => {
    await begin(call(0, 'c1'), allowed('c1', 'always'), claimed('c1'), printed('c1', 'a'));
    await act(async () => part('tool-progress').click());
    await arrive(next(result('c1')));
    expect(card().open).toBe(true);
    await toggle(card(), false);
    await arrive(next({ type: 'delta', part: 2, kind: 'text', text: 'So.' }));
    expect(card().open).toBe(false);
  });

  it('opens again for a consent that is asked after the card was folded', async () => {
    await begin(call(0, 'c1'));
    await toggle(card(), true);
    await toggle(card(), false);
    await arrive(next(asks('c1'), waits));
    expect(card().open).toBe(true);
  });

  it('that failed by itself says how, and who had allowed it', async () => {
    await begin(call(0, 'c1'), allowed('c1', 'thread'), claimed('c1'));
    await arrive(next(result('c1', false, 'ZeroDivisionError')));
    expect(card().dataset['state']).toBe('failed');
    await toggle(card(), true);
    expect(part('tool-output').textContent).toBe('ErrorZeroDivisionError');
    expect(part('allowance').textContent).toContain('Allowed in this chat by you');
  });

  it.each([
    ['interrupted', 'it is not made again'],
    ['expired', 'nobody was there to execute it'],
    ['refused', 'it was not allowed']
  ])('that is %s by the server says so', (reason, sentence) => {
    const at = '2026-11-20T09:00:00Z';
    const made = { where: 'kernel', allowed: { consent: 'always', by: 'ada', at } };
    const use = {
      index: 0,
      call: { kind: 'tool_call', tool_call_id: 'c1', name: 'clean', input: {}, ...made },
      result: { kind: 'tool_result', ...result('c1', false), reason },
      consent: null
    } as unknown as ToolUse;
    expect(toolState(use, false)).toBe(reason);
    expect(toolHint(use, toolState(use, false), ENGLISH.trans)).toContain(sentence);
  });

  it('that is opened again waits again', async () => {
    await begin(call(0, 'c1'), allowed('c1', 'none', null), claimed('c1'), claimed('c1', null));
    expect(card().dataset['state']).toBe('waiting');
  });

  it('shows nothing of a name, an input or an output as HTML', async () => {
    const evil = '<img src=x onerror="window.isCaught=1">';
    await begin(
      call(0, 'c1', { name: evil, input: { [evil]: evil, list: [evil], long: `${evil}\n` } }),
      allowed('c1', 'once', evil),
      claimed('c1', evil),
      printed('c1', evil)
    );
    await arrive(next(result('c1', true, { evil })));
    await toggle(card(), true);
    expect(card().querySelector('img')).toBeNull();
    expect(card().textContent?.split(evil).length).toBeGreaterThan(6);
  });

  it('shows the files of its result below the folded card, as those of messages are', async () => {
    URL.createObjectURL = () => 'blob:1';
    URL.revokeObjectURL = () => undefined;
    page.api.bytes.set('attachments/f1', new Blob(['png']));
    const evil = '<b>\u202egnp.exe';
    const files = [
      { id: 'f1', name: 'figure.png', type: 'image/png', size: 2_048, sha256: 'a' },
      { id: 'f2', name: evil, type: 'text/html', size: 9, sha256: 'b' },
      { id: 'f3', name: 'df.parquet', type: 'application/vnd.apache.parquet', size: 9 }
    ];
    await begin(call(0, 'c1'), allowed('c1'), claimed('c1'));
    await arrive(next(result('c1', true, 'seen', { attachments: files })));
    await toggle(card(), false);
    const list = host.querySelector('[aria-label="Files of the result"]');
    expect(list?.querySelectorAll('[role=listitem]')).toHaveLength(3);
    expect(card().contains(list)).toBe(false);
    expect(part('thumbnail').getAttribute('aria-label')).toBe('Show image: figure.png');
    expect(host.querySelector('b, iframe')).toBeNull();
    expect(list?.textContent).not.toContain('\u202e');
    expect(list?.textContent).toContain('Download data');
  });

  it.each([[null], ['f1'], [{ id: 'f1' }], [[null, 1, { id: 'f1' }, { name: 'x' }]], [[]]])(
    'has no files where a newer writer tells them in another form: %j',
    async attachments => {
      await begin(call(0, 'c1'), allowed('c1'), claimed('c1'));
      await arrive(next(result('c1', true, 'seen', { attachments })));
      expect(card().dataset['state']).toBe('done');
      expect(host.querySelector('[aria-label="Files of the result"]')).toBeNull();
    }
  );
});
