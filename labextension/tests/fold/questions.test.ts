// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { openQuestion, questionState } from '../../src/fold/questions';
import { type Transcript } from '../../src/fold/transcript';
import { type InputRequestPart, type Message, type Part } from '../../src/protocol/records';
import { vector } from '../vectors';

function replies(state: Transcript): readonly Message[] {
  return [...state.messages.values()].filter(message => message.role === 'assistant');
}

function asked(state: Transcript): readonly string[] {
  return replies(state).flatMap(message =>
    message.parts
      .filter((part: Part): part is InputRequestPart => part.kind === 'input_request')
      .map(part => questionState(part, message, state.runs.get(message.run_id ?? '')))
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
