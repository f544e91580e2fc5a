// @vitest-environment node
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { Subscription } from '../../src/connection/subscription';
import { activeReplies, branch } from '../../src/fold/branch';
import { contentOf, incompleteOf } from '../../src/fold/endings';
import { EMPTY, FoldError, type Transcript, fold, replace } from '../../src/fold/transcript';
import { type Fields } from '../../src/protocol/fields';
import { asObject, parseEvent, parseFrame, parseSnapshot } from '../../src/protocol/parse';
import { type Frame, type ThreadFrame, isOfThread } from '../../src/protocol/records';
import { conversation } from '../fakes';

/** A state in the form the vectors (and GET messages) have it. */
function stateOf(transcript: Transcript): object {
  return {
    thread: transcript.thread ?? {},
    messages: [...transcript.messages.values()].map(message => ({
      ...message,
      content: contentOf(message),
      incomplete: incompleteOf(message)
    })),
    runs: [...transcript.runs.values()],
    seq: transcript.seq
  };
}

function read(events: readonly unknown[]) {
  return events.map(parseEvent);
}

function frame(value: object): ThreadFrame {
  const parsed: Frame | null = parseFrame(JSON.stringify(value));
  if (parsed === null || !isOfThread(parsed)) {
    throw new Error('Not a frame of a thread.');
  }
  return parsed;
}

/** What the server would answer to cursor `after` as a snapshot: all that events up to S touched. */
function snapshotAt(events: readonly unknown[], after: number): object {
  const state = fold(EMPTY, read(events));
  const before = fold(EMPTY, read(events.slice(0, after)));
  const changed = <T extends object>(now: ReadonlyMap<string, T>, then: ReadonlyMap<string, T>) =>
    [...now].filter(([id, value]) => JSON.stringify(then.get(id)) !== JSON.stringify(value));
  return {
    op: 'snapshot',
    thread: 't',
    seq: state.seq,
    info: state.thread,
    messages: changed(state.messages, before.messages).map(([, message]) => ({
      ...message,
      content: contentOf(message),
      incomplete: incompleteOf(message)
    })),
    runs: changed(state.runs, before.runs).map(([, run]) => run)
  };
}

const VECTORS = join(__dirname, '..', '..', '..', 'tests', 'vectors');

interface Vector {
  readonly name: string;
  readonly events: readonly { readonly seq: number }[];
  readonly state?: Fields;
  readonly cuts?: readonly {
    readonly at: number;
    readonly snapshot: Fields;
    readonly rest: readonly unknown[];
  }[];
  readonly error_at?: number;
}

function vectors(): Vector[] {
  const files = readdirSync(VECTORS).filter(file => file.endsWith('.json'));
  if (files.length === 0) {
    throw new Error(`There are no vectors in ${VECTORS}.`);
  }
  return files.map(file => JSON.parse(readFileSync(join(VECTORS, file), 'utf8')) as Vector);
}

function expectRefusalAt(seq: number, events: Vector['events']): void {
  const fitting = events.filter(event => event.seq < seq);
  expect(fold(EMPTY, read(fitting)).seq).toBe(seq - 1);
  expect(() => fold(EMPTY, read(events))).toThrow(FoldError);
}

describe('the fold', () => {
  for (const { name, events, state, cuts, error_at } of vectors()) {
    it(`agrees with the shared vector ${name}`, () => {
      if (error_at !== undefined) {
        expectRefusalAt(error_at, events);
        return;
      }
      expect(stateOf(fold(EMPTY, read(events)))).toEqual(state);
      for (let cut = 0; cut <= events.length; cut += 1) {
        const first = fold(EMPTY, read(events.slice(0, cut)));
        expect(stateOf(fold(first, read(events.slice(cut))))).toEqual(state);
      }
      for (const { at, snapshot, rest } of cuts ?? []) {
        const taken = replace(fold(EMPTY, read(events.slice(0, at))), parseSnapshot(snapshot));
        expect(stateOf(fold(taken, read(rest)))).toEqual(state);
      }
    });
  }

  it('gives the same state wherever the log was cut, by events or by snapshot (L6)', () => {
    const events = conversation();
    const whole = stateOf(fold(EMPTY, read(events)));
    for (let cut = 0; cut <= events.length; cut += 1) {
      const state = fold(EMPTY, read(events.slice(0, cut)));
      expect(stateOf(fold(state, read(events)))).toEqual(whole);
      const snapshot = parseSnapshot(asObject(snapshotAt(events, cut), 'it'));
      expect(stateOf(replace(state, snapshot))).toEqual(whole);
    }
  });

  it('changes no state it was given, and keeps messages that did not change', () => {
    const events = read(conversation());
    const before = fold(EMPTY, events.slice(0, 5));
    const kept = JSON.stringify(stateOf(before));
    const after = fold(before, events.slice(5));
    expect(JSON.stringify(stateOf(before))).toBe(kept);
    expect(after.messages.get('q')).toBe(before.messages.get('q'));
    expect(after.messages.get('a')).not.toBe(before.messages.get('a'));
  });

  it('skips events of types it does not know, and moves the cursor on', () => {
    const unknown = { type: 'toString', seq: 1, thread_id: 't', at: 'x', shape: 'new' };
    expect(fold(EMPTY, read([unknown])).seq).toBe(1);
  });

  it('refuses an append to a part that is not there', () => {
    const [thread, question, reply] = conversation();
    const delta = { seq: 4, type: 'delta', thread_id: 't', at: 'x', message_id: 'a', run_id: 'r' };
    const events = [thread, question, reply, { ...delta, part: 1, kind: 'text', text: 'x' }];
    expect(() => fold(EMPTY, read(events))).toThrow(FoldError);
  });

  it('never appends text to reasoning', () => {
    const [thread, question, reply] = conversation();
    const delta = { type: 'delta', thread_id: 't', at: 'x', message_id: 'a', run_id: 'r', part: 0 };
    const events = [
      thread,
      question,
      reply,
      { ...delta, seq: 4, kind: 'reasoning', text: 'hm' },
      { ...delta, seq: 5, kind: 'text', text: 'x' }
    ];
    expect(() => fold(EMPTY, read(events))).toThrow(FoldError);
  });

  it('keeps what a retrying run said, until it says something else', () => {
    const [thread, question, reply] = conversation();
    const status = { type: 'status', thread_id: 't', at: 'x', message_id: 'a', run_id: 'r' };
    const retrying = { ...status, seq: 4, phase: 'retrying', detail: 'overloaded', until: 'later' };
    const state = fold(EMPTY, read([thread, question, reply, retrying]));
    expect(state.details.get('r')).toBe('overloaded');
    expect(state.runs.get('r')).toMatchObject({ status: 'waiting', wake_at: 'later' });
    const on = fold(state, read([{ ...status, seq: 5, phase: 'thinking' }]));
    expect(on.details.has('r')).toBe(false);
    expect(on.runs.get('r')?.wake_at).toBeNull();
  });
});

describe('a subscription', () => {
  const events = conversation();
  const framed = (from: number, to: number) =>
    frame({ op: 'events', thread: 't', events: events.slice(from, to) });

  it('drops what it has, and asks again once on a gap', () => {
    const subscription = new Subscription();
    subscription.receive(framed(0, 4));
    expect(subscription.receive(framed(2, 4))).toBeNull();
    expect(subscription.receive(framed(5, 6))).toEqual({ do: 'ask', why: 'gap' });
    expect(subscription.transcript.seq).toBe(4);
    expect(subscription.receive(framed(6, 7))).toEqual({ do: 'show' });
    expect(subscription.receive(framed(4, 10))).toEqual({ do: 'show' });
    expect(subscription.transcript.seq).toBe(10);
  });

  it('takes what fits of a frame with a gap in it', () => {
    const subscription = new Subscription();
    const torn = frame({ op: 'events', thread: 't', events: [events[0], events[1], events[3]] });
    expect(subscription.receive(torn)).toEqual({ do: 'ask', why: 'gap' });
    expect(subscription.transcript.seq).toBe(2);
  });

  it('is not live before it has all that the server says there is', () => {
    const subscription = new Subscription();
    subscription.receive(framed(0, 4));
    const live = frame({ op: 'live', thread: 't', seq: 9 });
    expect(subscription.receive(live)).toEqual({ do: 'ask', why: 'gap' });
    expect(subscription.isLive).toBe(false);
  });

  it('folds anew from 0 when its cursor is beyond the end', () => {
    const subscription = new Subscription();
    subscription.receive(framed(0, 6));
    const error = { code: 'cursor_ahead', message: 'ends at 3' };
    const action = subscription.receive(frame({ op: 'error', thread: 't', error }));
    expect(action).toEqual({ do: 'ask', why: 'cursor_ahead' });
    expect(subscription.transcript).toBe(EMPTY);
  });

  it('drops its state when an event misfits, and gives up when it misfits again', () => {
    const bad = { ...events[4], part: 7 };
    const subscription = new Subscription();
    subscription.receive(framed(0, 4));
    const misfit = frame({ op: 'events', thread: 't', events: [bad] });
    expect(subscription.receive(misfit)).toEqual({ do: 'ask', why: 'misfit' });
    expect(subscription.transcript.seq).toBe(0);
    subscription.receive(framed(0, 4));
    expect(subscription.receive(misfit)).toMatchObject({
      do: 'end',
      error: { code: 'fold_error' }
    });
  });

  it('treats an event that lacks a field as a misfit', () => {
    const subscription = new Subscription();
    const torn = frame({ op: 'events', thread: 't', events: [{ ...events[0], thread: null }] });
    expect(torn.op).toBe('misfit');
    expect(subscription.receive(torn)).toEqual({ do: 'ask', why: 'misfit' });
  });

  it('ends when the thread was deleted or is refused', () => {
    const closed = frame({ op: 'closed', thread: 't', reason: 'deleted' });
    expect(new Subscription().receive(closed)).toEqual({ do: 'end', error: null });
    const error = { code: 'thread_not_found', message: 'no' };
    const refused = frame({ op: 'error', thread: 't', error });
    expect(new Subscription().receive(refused)).toEqual({ do: 'end', error });
  });

  it('reads frames of ops it does not know as nothing', () => {
    expect(parseFrame('{"op":"newer","thread":"t"}')).toBeNull();
    expect(parseFrame('{"op":"heartbeat"}')).toEqual({ op: 'heartbeat' });
  });
});

describe('what is shown', () => {
  const again = (id: string, run: string, seq: number, parent: string | null) => ({
    seq,
    type: 'message',
    thread_id: 't',
    at: 'x',
    run_id: run,
    message_id: id,
    message: {
      ...(asObject(conversation()[2], 'it')['message'] as object),
      id,
      run_id: run,
      parent_id: parent
    }
  });

  it('is the path to the head: an answer asked for again takes the place of the first', () => {
    const events = [...conversation(), again('b', 's', 11, 'q')];
    const state = fold(EMPTY, read(events));
    expect(branch(state).map(message => message.id)).toEqual(['q', 'b']);
    expect(activeReplies(branch(state)).map(message => message.id)).toEqual(['b']);
  });

  it('survives parents that go round in a circle', () => {
    const state = fold(EMPTY, read([...conversation(), again('b', 's', 11, 'b')]));
    expect(branch(state).map(message => message.id)).toEqual(['b']);
  });
});
