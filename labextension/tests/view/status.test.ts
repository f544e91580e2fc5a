// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { EMPTY, fold } from '../../src/fold/transcript';
import { parseEvent } from '../../src/protocol/parse';
import { type Message, type Model, type Run } from '../../src/protocol/records';
import { labelOf } from '../../src/view/models/picker';
import { linkLine, replyLine } from '../../src/view/status';
import { ENGLISH, conversation } from '../fakes';

/** What is said after these events follow the first `count` of a conversation. */
function said(count: number, more: readonly object[] = [], now_ms = 0) {
  const run = { thread_id: 't', at: 'x', run_id: 'r', message_id: 'a', attempt: 1 };
  const events = [...conversation().slice(0, count), ...more.map(event => ({ ...run, ...event }))];
  const state = fold(
    EMPTY,
    events.map((event, index) => parseEvent({ ...event, seq: index + 1 }))
  );
  const reply = state.messages.get('a') as Message;
  const made = state.runs.get('r') as Run;
  const detail = state.details.get('r');
  return replyLine({ reply, run: made, detail, isStopping: false, now_ms, ahead: 0 }, ENGLISH);
}

describe('the status line', () => {
  it('says queued, thinking, and answering once text comes', () => {
    expect(said(3).state).toBe('queued');
    expect(said(4).state).toBe('thinking');
    expect(said(5).state).toBe('streaming');
    expect(said(10)).toEqual({ state: 'completed', text: '' });
  });

  it('counts down to the next try, and says why there is one', () => {
    const until = '2026-11-20T09:14:30.000Z';
    const retrying = { type: 'status', phase: 'retrying', detail: 'overloaded', until };
    const line = said(4, [retrying], Date.parse(until) - 6_400);
    expect(line.state).toBe('retrying');
    expect(line.text).toBe('Trying again in 7 s (the model is overloaded), attempt 2');
    expect(line.short).toBe('Retry in 7 s');
    expect(said(4, [retrying], Date.parse(until) + 1).text).toContain('Trying again now');
  });

  it('gives the reason of a failure', () => {
    const error = { type: 'error', code: 'bad_key', message: 'The key is refused.' };
    const line = said(4, [
      { ...error, retryable: false },
      { type: 'finalized', status: 'failed' }
    ]);
    expect(line).toEqual({ state: 'failed', text: 'The key is refused.' });
  });

  it('tells stopped from interrupted', () => {
    expect(said(5, [{ type: 'finalized', status: 'cancelled' }]).text).toBe('Stopped');
    expect(said(5, [{ type: 'finalized', status: 'interrupted' }]).state).toBe('interrupted');
  });

  it('waits for a person who is asked', () => {
    const asked = { type: 'input_request', request_id: 'i', prompt: 'Sure?' };
    expect(said(4, [asked])).toMatchObject({ state: 'waiting', text: 'Waiting for your answer' });
  });

  it('waits for a time, and says until when and why', () => {
    const until = new Date(2026, 10, 20, 14, 5).toISOString();
    const sleeping = { type: 'status', phase: 'waiting', detail: 'the market opens.', until };
    const line = said(4, [sleeping], Date.parse(until) - 3_600_000);
    expect(line.state).toBe('waiting');
    expect(line.text).toMatch(/^Waiting until (14:05|2:05 pm) \(the market opens\)$/);
  });

  it('says when the connection is gone', () => {
    expect(linkLine('reconnecting', ENGLISH.trans)?.text).toBe('Reconnecting…');
    expect(linkLine('live', ENGLISH.trans)).toBeNull();
  });
});

describe('a model in the picker', () => {
  const model: Model = {
    id: 'p/m',
    provider: 'p',
    endpoint: 'p',
    label: 'M',
    can: [],
    context_tokens: 0,
    parameters: [],
    canned: false,
    ready: true,
    error: null
  };

  it('says that it is canned, once, and what it needs', () => {
    expect(labelOf(model, ENGLISH.trans)).toBe('M');
    expect(labelOf({ ...model, canned: true }, ENGLISH.trans)).toBe('M (demo: canned)');
    expect(labelOf({ ...model, canned: true, label: 'demo: canned (tour)' }, ENGLISH.trans)).toBe(
      'demo: canned (tour)'
    );
    expect(labelOf({ ...model, ready: false }, ENGLISH.trans)).toBe('M (needs an API key)');
    const dead = { ...model, ready: false, error: 'Ollama is not running on localhost:11434.' };
    expect(labelOf(dead, ENGLISH.trans)).toBe('M (not available)');
  });
});
