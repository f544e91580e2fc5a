import { act } from 'react';
import { describe, expect, it } from 'vitest';

import { spanOf } from '../../src/fold/reply-times';
import { EMPTY, fold } from '../../src/fold/transcript';
import { runsAhead } from '../../src/fold/turns';
import { parseEvent } from '../../src/protocol/parse';
import { flowOf } from '../../src/view/messages/flow';
import { tree } from '../branches';
import { conversation } from '../fakes';
import { arrive, end, has, host, page, part, show, useStage } from '../stage';

useStage();

const RUN = { thread_id: 't', run_id: 'r', message_id: 'a', attempt: 1 };
const at = (seconds: number): string => new Date(seconds * 1_000).toISOString();

/** Events of the run after the first three of a conversation, each at its second. */
function work(...events: readonly (readonly [number, object])[]): object[] {
  return [
    ...conversation().slice(0, 3),
    ...events.map(([second, event], index) => ({
      ...RUN,
      at: at(second),
      seq: index + 4,
      ...event
    }))
  ];
}

const thinking = { type: 'status', phase: 'thinking' };
const reasoning = (index: number, text = 'hm') => ({
  type: 'delta',
  part: index,
  kind: 'reasoning',
  text
});
const text = (index: number) => ({ type: 'delta', part: index, kind: 'text', text: 'said ' });
const call = (index: number, id: string, name = 'query') => ({
  type: 'tool_start',
  part: index,
  tool_call_id: id,
  name,
  input: { sql: `select ${id}` }
});
const result = (id: string, success = true) => ({
  type: 'tool_result',
  tool_call_id: id,
  name: 'query',
  success,
  output: `rows of ${id}`
});

async function turn(seconds: number): Promise<void> {
  await act(async () => page.network.clock.turn(seconds * 1_000));
}

describe('the line below a reply that is made', () => {
  it('counts the seconds of the phase, and begins again with the next phase', async () => {
    await show();
    await arrive(work([0, thinking]));
    expect(part('progress').textContent).toBe('Thinking…');
    await turn(12);
    expect(part('elapsed').textContent).toBe('12 s');
    await turn(53);
    expect(part('elapsed').textContent).toBe('1 min 5 s');
    await arrive([{ ...RUN, seq: 5, at: at(65), type: 'status', phase: 'building' }]);
    expect(part('progress').textContent).toBe('Preparing…');
    await turn(3);
    expect(part('progress').textContent).toBe('Preparing…3 s');
    expect(part('elapsed').getAttribute('aria-hidden')).toBe('true');
  });

  it('counts from the begin of the run after a reload, which brings a snapshot', async () => {
    await show();
    const state = fold(EMPTY, work([0, thinking]).map(parseEvent));
    await act(async () => {
      page.network.clock.turn(7_000);
      page.network.socket.open();
      page.network.socket.receive({
        op: 'snapshot',
        thread: 't',
        seq: state.seq,
        info: state.thread,
        messages: [...state.messages.values()],
        runs: [...state.runs.values()]
      });
      page.network.socket.receive({ op: 'live', thread: 't', seq: state.seq });
      page.frame();
    });
    expect(part('elapsed').textContent).toBe('7 s');
  });

  it('names the tool that is called', async () => {
    await show();
    const calling = { type: 'status', phase: 'tool_calling' };
    await arrive(work([0, thinking], [1, call(0, 'c1')], [1, calling]));
    expect(part('progress').textContent).toContain('Calling query…');
    expect(part('progress').dataset['state']).toBe('tool_calling');
  });

  it('tells how many answers come first, also those of other branches', async () => {
    await show();
    const open = { status: 'pending' };
    await arrive(
      tree([
        ['q1', null],
        ['a', 'q1'],
        ['q2', null],
        ['b', 'q2', open],
        ['c', 'q1', open]
      ])
    );
    expect(part('progress').textContent).toContain('Queued behind 1 answer');
  });
});

it('shows an answer on another branch beside the composer, and stops it there', async () => {
  await show();
  const forest = [
    ['q1', null],
    ['a', 'q1'],
    ['q2', null],
    ['b', 'q2', { status: 'processing' }]
  ] as const;
  await arrive(tree(forest, 'a'));
  expect(part('status').textContent).toBe('Answering on another branch');
  await act(async () => part('stop').click());
  expect(page.api.call('POST', 'runs/r-b/cancel').body).toEqual({});
});

it('counts no ended run, none that came later, and no message for later', () => {
  const open = { status: 'pending' };
  const events = tree([
    ['q1', null],
    ['a', 'q1'],
    ['b', 'q1', open],
    ['c', 'q1', open],
    ['d', 'q1', open],
    ['q9', null, { status: 'waiting' }],
    ['z', 'q9', { status: 'waiting' }]
  ]);
  const state = fold(EMPTY, events.map(parseEvent));
  const ahead = ['b', 'c', 'd'].map(id => runsAhead(state, state.runs.get(`r-${id}`)));
  expect(ahead).toEqual([0, 1, 2]);
});

describe('reasoning', () => {
  it('tells how long the model thought, from the phase to the next part', async () => {
    await show();
    await arrive(work([10, thinking], [13, reasoning(0)], [15, reasoning(0)]));
    expect(part('reasoning').querySelector('summary')?.textContent).toBe('Reasoning…');
    await arrive([{ ...RUN, seq: 7, at: at(18), ...text(1) }]);
    await arrive([{ ...RUN, seq: 8, at: at(40), ...text(1) }]);
    expect(part('reasoning').querySelector('summary')?.textContent).toBe('Thought for 8 s');
  });

  it('stays open while it streams and when it ends', async () => {
    await show();
    await arrive(work([10, thinking], [13, reasoning(0)]));
    await act(async () => {
      part('reasoning').querySelector('summary')?.click();
    });
    const details = part('reasoning') as HTMLDetailsElement;
    details.open = true;
    await act(async () => void details.dispatchEvent(new Event('toggle')));
    await arrive([{ ...RUN, seq: 6, at: at(15), ...reasoning(0, ' more') }]);
    await arrive([{ ...RUN, seq: 7, at: at(18), ...text(1) }, end(8, 'completed')]);
    expect(part('reasoning')).toBe(details);
    expect(details.open).toBe(true);
    expect(details.textContent).toContain('hm more');
  });

  it('tells no time that the page has not seen', async () => {
    await show();
    await arrive(work([10, thinking], [10, reasoning(0)], [10, text(1)]));
    expect(part('reasoning').querySelector('summary')?.textContent).toBe('Reasoning');
  });
});

describe('tool calls', () => {
  it('are one card each, with the result and how long it took', async () => {
    await show();
    await arrive(work([0, thinking], [1, call(0, 'c1')]));
    const summary = () => part('tool-call').querySelector('summary')?.textContent;
    expect(summary()).toBe('running…query{"sql":"select c1"}');
    await arrive([{ ...RUN, seq: 6, at: at(5), ...result('c1') }]);
    expect(summary()).toBe('donequery{"sql":"select c1"}4 s');
    expect(has('tool-result')).toBe(false);
    const details = part('tool-call') as HTMLDetailsElement;
    details.open = true;
    await act(async () => void details.dispatchEvent(new Event('toggle')));
    expect(part('tool-input').textContent).toContain('select c1');
    expect(part('tool-output').textContent).toContain('rows of c1');
  });

  it('are a group where several follow each other: open while one runs, then folded', async () => {
    await show();
    await arrive(work([0, thinking], [1, call(0, 'c1')], [1, call(1, 'c2')]));
    const group = () => part('tool-group') as HTMLDetailsElement;
    expect(group().open).toBe(true);
    expect(host.querySelectorAll('[data-testid=tool-call]').length).toBe(2);
    await arrive([
      { ...RUN, seq: 7, at: at(5), ...result('c2', false) },
      { ...RUN, seq: 8, at: at(6), ...result('c1') }
    ]);
    expect(group().open).toBe(false);
    expect(group().querySelector('summary')?.textContent).toBe('2 tool callsquery1 failed');
    expect(has('tool-call')).toBe(false);
  });

  it('stand where they were made, and each result beside its own call', () => {
    const parts = [
      { kind: 'text', text: 'I ' },
      { kind: 'text', text: 'look.' },
      { kind: 'tool_call', tool_call_id: 'c1', name: 'a', input: {} },
      { kind: 'tool_call', tool_call_id: 'c2', name: 'b', input: {} },
      { kind: 'tool_result', tool_call_id: 'c2', name: 'b', success: true, output: 2 },
      { kind: 'text', text: 'Then' },
      { kind: 'tool_result', tool_call_id: 'c1', name: 'a', success: true, output: 1 },
      { kind: 'tool_result', tool_call_id: 'c1', name: 'a', success: true, output: 'again' },
      { kind: 'text', text: 'end' }
    ] as const;
    const flow = flowOf(parts);
    const shown = flow.map(item =>
      item.kind === 'tools'
        ? item.uses.map(use => [use.call?.tool_call_id, use.result?.output])
        : 'text' in item.part && item.part.text
    );
    const calls = [
      ['c1', 1],
      ['c2', 2]
    ];
    expect(shown).toEqual(['I look.', calls, 'Then', [[undefined, 'again']], 'end']);
    expect(flow.map(item => item.index)).toEqual([0, 2, 5, 7, 8]);
  });

  it('show a name and an input as text, whatever they hold', async () => {
    await show();
    const evil = '<img src=x onerror="window.isCaught=1">';
    await arrive(work([0, thinking], [1, { ...call(0, 'c1', evil), input: { evil } }]));
    expect(part('tool-call').querySelector('img')).toBeNull();
    expect(part('tool-call').querySelector('code')?.textContent).toBe(evil);
  });
});

it('knows the span of a part only once both ends are known', () => {
  expect(spanOf(undefined)).toBeNull();
  expect(spanOf({ from: at(1), to: null })).toBeNull();
  expect(spanOf({ from: 'x', to: at(1) })).toBeNull();
  expect(spanOf({ from: at(1), to: at(3) })).toBe(2_000);
});
