// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { ThreadChecks } from '../../src/cells/thread-checks';
import { ApiError } from '../../src/connection/api';
import { FakeApi, FakeClock, flushPromises } from '../fakes';

function setUp() {
  const api = new FakeApi();
  const clock = new FakeClock();
  return { api, clock, checks: new ThreadChecks({ api, clock }), told: new Map<string, boolean>() };
}

const ABSENT = new ApiError(404, 'thread_not_found', 'No such thread.');
const DOWN = new ApiError(0, 'unreachable', 'The server did not respond.');

describe('the threads that a notebook names', () => {
  it('are asked for a few at a time, and each one once', async () => {
    const { api, checks, told } = setUp();
    for (let cell = 0; cell < 200; cell += 1) {
      const id = `t${cell % 100}`;
      checks.ask(id, isKnown => told.set(id, isKnown));
    }
    for (let answered = 0; answered < 100; answered += 1) {
      expect(api.calls.length - answered).toBeLessThanOrEqual(3);
      api.calls[answered]?.answer({});
      await flushPromises();
    }
    expect(api.calls.length).toBe(100);
    expect([...told.values()]).toEqual(Array.from({ length: 100 }, () => true));
  });

  it('are unknown only if the server says so: silence is asked again, more and more seldom', async () => {
    const { api, clock, checks, told } = setUp();
    checks.ask('gone', isKnown => told.set('gone', isKnown));
    checks.ask('there', isKnown => told.set('there', isKnown));
    api.calls[0]?.fail(ABSENT);
    api.calls[1]?.fail(DOWN);
    await flushPromises();
    expect([...told]).toEqual([['gone', false]]);
    clock.turn(5_000);
    api.calls[2]?.fail(new ApiError(502, 'foreign', 'Bad gateway.'));
    await flushPromises();
    clock.turn(5_000);
    expect(api.calls.length).toBe(3);
    clock.turn(5_000);
    api.calls[3]?.answer({});
    await flushPromises();
    expect(told.get('there')).toBe(true);
  });

  it('are not asked for once their notebook is closed', async () => {
    const { api, clock, checks, told } = setUp();
    const end = checks.ask('t', isKnown => told.set('t', isKnown));
    api.calls[0]?.fail(DOWN);
    await flushPromises();
    end();
    clock.turn(60_000);
    expect([api.calls.length, told.size, clock.pending]).toEqual([1, 0, 0]);
  });
});
