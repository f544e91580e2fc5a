// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { branch, exchange, newestLeaf, openRunsBelow, siblings } from '../../src/fold/branch';
import { EMPTY, type Transcript, fold } from '../../src/fold/transcript';
import { isReplyToUnsent } from '../../src/fold/unsent';
import { parseEvent } from '../../src/protocol/parse';
import { type Message } from '../../src/protocol/records';
import { tree } from '../branches';
import { readCases } from '../vectors';

const folded = (...args: Parameters<typeof tree>): Transcript =>
  fold(EMPTY, tree(...args).map(parseEvent));
const one = (state: Transcript, id: string): Message => state.messages.get(id) as Message;
const ids = (messages: readonly Message[]): readonly string[] => messages.map(({ id }) => id);

/** q1 has three answers; below a there is a longer branch, and q1 was edited into q1b. */
const FOREST = [
  ['q1', null],
  ['a', 'q1'],
  ['q2', 'a'],
  ['b', 'q2'],
  ['c', 'q1'],
  ['q1b', null],
  ['d', 'q1b'],
  ['e', 'q1', { status: 'pending' }],
  ['q3', 'e'],
  ['f', 'q3', { status: 'pending' }]
] as const;

describe('the siblings of a message', () => {
  it('are the answers to the same question, and the other versions of a question', () => {
    const state = folded(FOREST);
    expect(ids(siblings(state, one(state, 'c')))).toEqual(['a', 'c', 'e']);
    expect(ids(siblings(state, one(state, 'q1b')))).toEqual(['q1', 'q1b']);
    expect(ids(siblings(state, one(state, 'q2')))).toEqual(['q2']);
  });

  it('leave out what was not delivered: it is on no branch', () => {
    const state = folded([...FOREST, ['q9', null, { status: 'waiting' }], ['z', 'q9']]);
    expect(ids(siblings(state, one(state, 'q1')))).toEqual(['q1', 'q1b']);
  });

  it('leave out an answer that another one continues, unless a message follows it', () => {
    const cut = { status: 'interrupted' };
    const longer = { continues: 'r-a' };
    const state = folded([
      ['q', null],
      ['a', 'q', cut],
      ['b', 'q', longer]
    ]);
    expect(ids(siblings(state, one(state, 'b')))).toEqual(['b']);
    expect(ids(siblings(state, one(state, 'a')))).toEqual(['a', 'b']);
    const used = folded([
      ['q', null],
      ['a', 'q', cut],
      ['q2', 'a'],
      ['b', 'q', longer]
    ]);
    expect(ids(siblings(used, one(used, 'b')))).toEqual(['a', 'b']);
  });
});

describe('the end of a branch', () => {
  it('is the newest message below that nothing follows', () => {
    const state = folded(FOREST);
    expect(newestLeaf(state, one(state, 'a')).id).toBe('b');
    expect(newestLeaf(state, one(state, 'q1')).id).toBe('f');
    expect(newestLeaf(state, one(state, 'c')).id).toBe('c');
  });

  it('is shown once it is the head', () => {
    const state = folded(FOREST, 'b');
    expect(ids(branch(state))).toEqual(['q1', 'a', 'q2', 'b']);
  });

  it('is found in a long thread without a deep recursion', () => {
    const long = Array.from({ length: 20_000 }, (_, at) => {
      const role = at % 2 === 0 ? 'q' : 'a';
      const before = `${at % 2 === 0 ? 'a' : 'q'}${at - 1}`;
      return [`${role}${at}`, at === 0 ? null : before] as const;
    });
    const state = folded(long);
    expect(newestLeaf(state, one(state, 'q0')).id).toBe('a19999');
  });
});

it('finds the runs below a message that have not ended, in their order', () => {
  const state = folded(FOREST);
  expect(openRunsBelow(state, one(state, 'q1'))).toEqual(['r-e', 'r-f']);
  expect(openRunsBelow(state, one(state, 'a'))).toEqual([]);
});

interface ExchangeCase {
  readonly name: string;
  readonly messages: Parameters<typeof tree>[0];
  readonly shown: Readonly<Record<string, readonly string[] | null>>;
  readonly all?: readonly string[];
}

describe('the messages of an address', () => {
  const cases = readCases('exchanges') as readonly ExchangeCase[];

  it.each(cases)('are those that the case names: $name', ({ messages, shown, all }) => {
    const state = folded(messages);
    for (const [runId, expected] of Object.entries(shown)) {
      expect(ids(exchange(state, runId)), runId).toEqual(expected ?? []);
    }
    const delivered = [...state.messages.values()].filter(one => !isReplyToUnsent(state, one));
    expect(ids(delivered)).toEqual(all ?? messages.map(([id]) => id));
  });
});
