import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { branch, exchange } from '../src/branch';
import { asObject, parseEvent } from '../src/parse';
import { type InputRequestPart, type Message, type Part } from '../src/protocol';
import { snapshot } from '../src/snapshot';
import { EMPTY, type Transcript, fold } from '../src/transcript';
import { askedState, laterMessages, openQuestion, runFor } from '../src/waiting';

const VECTORS = join(__dirname, '..', '..', 'tests', 'vectors');

/** The state of a vector after its first `count` events. */
function vector(name: string, count?: number): Transcript {
  const wire = JSON.parse(readFileSync(join(VECTORS, `${name}.json`), 'utf8')) as unknown;
  const { events } = asObject(wire, name) as { readonly events: readonly unknown[] };
  return fold(EMPTY, events.slice(0, count).map(parseEvent));
}

function replies(state: Transcript): readonly Message[] {
  return [...state.messages.values()].filter(message => message.role === 'assistant');
}

function asked(state: Transcript): readonly string[] {
  return replies(state).flatMap(message =>
    message.parts
      .filter((part: Part): part is InputRequestPart => part.kind === 'input_request')
      .map(part => askedState(part, message, state.runs.get(message.run_id ?? '')))
  );
}

describe('a question', () => {
  it('is open while its run waits for the answer, and only then', () => {
    expect(asked(vector('question_open'))).toEqual(['open']);
    expect(asked(vector('question_answered'))).toEqual(['answered']);
    expect(asked(vector('question_expired'))).toEqual(['expired']);
    expect(asked(vector('question_cancelled'))).toEqual(['unanswered']);
  });

  it('is the last of several that is open', () => {
    const state = vector('questions_in_turn');
    const reply = replies(state)[0] as Message;
    const run = state.runs.get(reply.run_id ?? '');
    const open = openQuestion(reply, run);
    expect(asked(state).filter(what => what === 'open').length).toBe(open === undefined ? 0 : 1);
    expect(asked(state)[0]).toBe('answered');
  });
});

describe('a message for later', () => {
  it('is on no branch before its time, and at the end of one after', () => {
    const waiting = vector('later_waiting');
    const later = laterMessages(waiting).map(({ message }) => message.id);
    expect(later.length).toBe(1);
    expect(branch(waiting).some(message => later.includes(message.id))).toBe(false);
    expect(laterMessages(waiting)[0]?.run.wake_at).not.toBeNull();

    const delivered = vector('later_delivered');
    expect(laterMessages(delivered)).toEqual([]);
    expect(branch(delivered).at(-1)?.role).toBe('assistant');
    expect(branch(delivered).at(-2)?.status).toBe('completed');
  });

  it('stands alone where its exchange is shown, and is never sent once it is cancelled', () => {
    const waiting = vector('later_waiting');
    const { message, run } = laterMessages(waiting)[0] ?? {};
    expect(exchange(waiting, run?.id ?? '')).toEqual([message]);
    expect(runFor(waiting, message as Message)).toBe(run);
    const cancelled = vector('later_cancelled');
    expect(laterMessages(cancelled)).toEqual([]);
    expect(branch(cancelled).some(one => one.status === 'cancelled')).toBe(false);
  });

  it('is in the copy as what it is', () => {
    expect(snapshot(vector('later_waiting'), 'all')?.markdown).toMatch(/\*\(to be sent later\)\*$/);
    expect(snapshot(vector('later_cancelled'), 'all')?.markdown).toContain('*(never sent)*');
  });
});
