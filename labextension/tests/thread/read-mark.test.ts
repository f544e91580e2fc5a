// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { ApiError } from '../../src/connection/api';
import { Subscription } from '../../src/connection/subscription';
import { parseFrame } from '../../src/protocol/parse';
import { type ThreadFrame } from '../../src/protocol/records';
import { ReadMark, endedSeq } from '../../src/thread/read-mark';
import { FakeApi, conversation, flushPromises } from '../fakes';

function readUpTo(count: number) {
  const subscription = new Subscription();
  const events = conversation().slice(0, count);
  const frame = { op: 'events', thread: 't', events };
  subscription.receive(parseFrame(JSON.stringify(frame)) as ThreadFrame);
  return subscription.transcript;
}

describe('the mark of what was read', () => {
  it('is due when an answer has ended, not while it is written', () => {
    const all = conversation().length;
    expect(endedSeq(readUpTo(all - 1), null)).toBe(0);
    expect(endedSeq(readUpTo(all), null)).toBe(all);
    expect(endedSeq(readUpTo(all), 'r')).toBe(all);
    expect(endedSeq(readUpTo(all), 'another run')).toBe(0);
  });

  it('is sent once for each answer, however often it is seen', () => {
    const api = new FakeApi();
    const mark = new ReadMark('a/b', api);
    [7, 7, 5, 7, 9].forEach(seq => mark.mark(seq));
    expect(api.calls.map(({ method, path, body }) => [method, path, body])).toEqual([
      ['PUT', 'threads/a%2Fb/read', { seq: 7 }],
      ['PUT', 'threads/a%2Fb/read', { seq: 9 }]
    ]);
  });

  it('is sent again if the server did not respond or the login ended, not if the thread is gone', async () => {
    const api = new FakeApi();
    const mark = new ReadMark('t', api);
    mark.mark(7);
    api.calls[0]?.fail(new ApiError(0, 'unreachable', 'Off the net.'));
    await flushPromises();
    expect(mark.covers(7)).toBe(false);
    mark.mark(7);
    api.calls[1]?.fail(new ApiError(403, 'forbidden', 'Signed out.'));
    await flushPromises();
    mark.mark(7);
    api.calls[2]?.fail(new ApiError(404, 'thread_not_found', 'No such thread.'));
    await flushPromises();
    mark.mark(7);
    expect(api.calls.length).toBe(3);
  });
});
