// @vitest-environment node
/** Builds beside a chat: how far they have come, and the components that they make. */
import { describe, expect, it } from 'vitest';

import {
  answersFirst,
  buildIds,
  buildView,
  buildsOf,
  jobOf,
  productOf
} from '../../src/fold/builds';
import { queuedMessages } from '../../src/fold/queue';
import { toolUses } from '../../src/fold/tool-calls';
import { type Transcript } from '../../src/fold/transcript';
import { oldestOpenReply, runsAhead } from '../../src/fold/turns';
import { type Message, type Part, type Run } from '../../src/protocol/records';

const FILE = { id: 'f', name: 'a.py', type: 'text/x-python', size: 3, sha256: '0' };

function message(id: string, fields: Partial<Message>): Message {
  const base = { id, thread_id: 't', role: 'assistant', kind: 'chat', status: 'processing' };
  const rest = { model: null, usage: null, stop_reason: null, error: null, run_id: `run-${id}` };
  const more = {
    parent_id: null,
    created_at: '',
    content: '',
    incomplete: null,
    seq: 1,
    parts: []
  };
  return { ...base, ...rest, ...more, ...fields } as unknown as Message;
}

function run(message_id: string, fields: Partial<Run> = {}): Run {
  const base = { id: `run-${message_id}`, message_id, thread_id: 't', status: 'processing' };
  return { ...base, phase: 'building', attempt: 1, ...fields } as unknown as Run;
}

function call(fields: object = {}): Part {
  const base = { kind: 'tool_call', tool_call_id: 'c', name: 'build_component', where: 'server' };
  return { ...base, input: { operation: 'test', code: 'x' }, ...fields } as Part;
}

function result(fields: object = {}): Part {
  const base = { kind: 'tool_result', tool_call_id: 'c', name: 'build_component', output: {} };
  return { ...base, success: true, ...fields } as Part;
}

function transcript(messages: readonly Message[], runs: readonly Run[]): Transcript {
  return {
    messages: new Map(messages.map(one => [one.id, one])),
    runs: new Map(runs.map(one => [one.id, one]))
  } as unknown as Transcript;
}

function building(parts: readonly Part[], fields: Partial<Run> = {}): Transcript {
  return transcript([message('b', { parts })], [run('b', fields)]);
}

describe('how far a build has come', () => {
  const asks: Part = {
    kind: 'input_request',
    request_id: 'q',
    prompt: '',
    choices: null,
    expires_at: null,
    value: null,
    by: null,
    request_kind: 'consent',
    tool_call_id: 'c'
  };
  const failed = [call(), result({ success: false })];
  it.each([
    ['queued', 1, [], { phase: 'queued', status: 'pending' }],
    ['writing', 1, [], {}],
    ['asks', 1, [call(), asks], { status: 'waiting', phase: 'waiting' }],
    ['trying', 1, [call({ allowed: {}, executor: 'server' })], {}],
    ['writing', 2, failed, {}],
    ['trying', 2, [...failed, call({ tool_call_id: 'd', executor: 'server' })], {}],
    ['built', 1, [call(), result()], { status: 'completed', phase: null }],
    ['failed', 1, failed, { status: 'completed', phase: null }],
    ['failed', 1, [], { status: 'failed', phase: null }],
    ['stopped', 1, [call()], { status: 'cancelled', phase: null }]
  ] as const)('is %s, version %i', (step, version, parts, fields) => {
    expect(buildView(building(parts, fields), 'run-b')).toEqual({ step, version });
  });

  it('is unknown while the page does not know the run', () => {
    expect(buildView(transcript([], []), 'run-b')).toBeNull();
  });
});

describe('a build beside the queue', () => {
  const asked = message('q', { role: 'user', status: 'completed', run_id: null });
  const answer = message('a', { parent_id: 'q', parts: [call({ job_id: 'run-b' })] });
  const build = message('b', { parent_id: 'a' });
  const next = message('n', { role: 'user', status: 'completed', run_id: null, parent_id: 'b' });
  const later = message('l', { parent_id: 'n', status: 'pending' });
  const pending = run('l', { phase: 'queued', status: 'pending', attempt: 0 });
  const all = transcript([build, asked, answer, next, later], [run('b'), run('a'), pending]);

  it('is known by the call that has begun it', () => {
    expect(buildsOf(answer)).toEqual(['run-b']);
    expect([...buildIds(all)]).toEqual(['run-b']);
    expect(jobOf(toolUses(answer.parts)[0]!)).toBe('run-b');
  });

  it('waits for no run, and no run waits for it', () => {
    expect(runsAhead(all, run('b', { phase: 'queued', attempt: 0 }))).toBe(0);
    expect(runsAhead(all, pending)).toBe(1);
    expect(queuedMessages(all).map(one => one.run.id)).toEqual(['run-l']);
    const alone = transcript([build, answer, next, later], [run('b'), pending]);
    expect(queuedMessages(alone)).toEqual([]);
  });

  it('is stopped after the answers', () => {
    expect(oldestOpenReply(all)?.id).toBe('a');
    expect(answersFirst(all, [build, answer]).map(one => one.id)).toEqual(['a', 'b']);
  });
});

describe('a component', () => {
  it('has the code of its call, or that of its file', () => {
    const [own] = toolUses([call(), result({ attachments: [FILE] })]);
    expect(productOf(own!)).toEqual({ file: FILE, code: 'x' });
    const input = { operation: 'build', description: 'd' };
    const [waited] = toolUses([call({ input }), result({ attachments: [FILE] })]);
    expect(productOf(waited!)).toEqual({ file: FILE, code: null });
  });

  it.each([
    ['a failed call', { success: false, attachments: [FILE] }],
    ['a call without a file', {}],
    ['another file', { attachments: [{ ...FILE, type: 'image/png' }] }],
    ['another tool', { name: 'kernel', attachments: [FILE] }]
  ])('is none of %s', (_what, fields) => {
    const [use] = toolUses([call(), result(fields)]);
    expect(productOf(use!)).toBeNull();
  });
});
