// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { ApiError, signedOutText } from '../../src/connection/api';
import { linkLine } from '../../src/view/status';
import { ENGLISH, FakeNetwork, conversation, flushPromises } from '../fakes';

const EVENTS = conversation();
const page = (from: number, to: number) => ({ events: EVENTS.slice(from, to), seq: to });
const framed = (from: number, to: number) => ({
  op: 'events',
  thread: 't',
  events: EVENTS.slice(from, to)
});
const SIGNED_OUT = new ApiError(403, 'login_ended', signedOutText(ENGLISH.trans));
const AWAY = new ApiError(0, 'unreachable', 'The server did not respond.');

/** Let promises go on, and the timers that they set. */
async function pass(network: FakeNetwork, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 50) {
    await flushPromises();
    network.clock.turn(Math.min(50, left));
  }
  await flushPromises();
}

function lastPoll(network: FakeNetwork) {
  const poll = network.polls.at(-1);
  if (poll === undefined) {
    throw new Error('Nothing was polled.');
  }
  return poll;
}

/** A page whose sockets are refused: the second refusal starts the polls. */
async function refused() {
  const network = new FakeNetwork();
  const links: string[] = [];
  const follower = network.connection.follow('t', () => links.push(follower.link));
  network.socket.drop();
  await pass(network, 300);
  network.socket.drop();
  await flushPromises();
  return { network, follower, links };
}

async function polled() {
  const made = await refused();
  lastPoll(made.network).answer(page(0, 5));
  await flushPromises();
  return made;
}

describe('a page where sockets do not pass', () => {
  it('polls after the second refusal, and says nothing wrong (L6)', async () => {
    const { network, follower } = await polled();
    expect(network.polls[0]).toMatchObject({ thread: 't', after: 0, wait_s: 0 });
    expect(follower.transcript.seq).toBe(5);
    expect(follower.link).toBe('live');
    expect(linkLine(follower.link, ENGLISH.trans)).toBeNull();
    expect(lastPoll(network)).toMatchObject({ after: 5, wait_s: 20 });
    lastPoll(network).answer(page(5, 10));
    await flushPromises();
    expect(follower.transcript.seq).toBe(10);
    expect(follower.transcript.messages.get('a')?.status).toBe('completed');
  });

  it('polls where a socket opens and brings nothing, or neither opens nor fails', async () => {
    for (const opens of [true, false]) {
      const network = new FakeNetwork();
      const follower = network.connection.follow('t', () => undefined);
      if (opens) {
        network.socket.open();
        network.socket.receive({ op: 'heartbeat' });
      }
      await pass(network, 4_100);
      lastPoll(network).answer(page(0, 5));
      await flushPromises();
      expect(follower.link).toBe('live');
    }
  });

  it('does not poll where the socket works', async () => {
    const network = new FakeNetwork();
    network.connection.follow('t', () => undefined);
    network.socket.open();
    network.socket.receive({ op: 'live', thread: 't', seq: 0 });
    await pass(network, 40_000);
    expect(network.polls).toEqual([]);
  });

  it('tries the socket again now and then, and stays live meanwhile', async () => {
    const { network, follower, links } = await polled();
    links.length = 0;
    const before = network.sockets.length;
    for (let round = 0; round < 200; round += 1) {
      await pass(network, 1_000);
      const socket = network.socket;
      if (!socket.isClosed && socket.onclose !== null) {
        socket.drop();
      }
    }
    const tries = network.sockets.length - before;
    expect(tries).toBeGreaterThanOrEqual(3);
    expect(tries).toBeLessThanOrEqual(8);
    expect(new Set([...links, follower.link])).toEqual(new Set(['live']));
  });

  it('goes over to a socket that brings something, with no gap and no duplicate (L6)', async () => {
    const { network, follower, links } = await polled();
    links.length = 0;
    await pass(network, 600);
    const late = lastPoll(network);
    network.socket.open();
    expect(network.socket.sent).toEqual([{ op: 'subscribe', thread: 't', after: 5 }]);
    network.socket.receive(framed(5, 8));
    network.socket.receive({ op: 'live', thread: 't', seq: 8 });
    late.answer(page(5, 7)); // of a poll that is over
    await flushPromises();
    expect(late.signal.aborted).toBe(true);
    network.socket.receive(framed(8, 10));
    expect(follower.transcript.seq).toBe(10);
    expect(follower.transcript.messages.get('a')?.parts).toEqual([
      { kind: 'text', text: 'Because of it.' }
    ]);
    expect(new Set(links)).toEqual(new Set(['live']));
    const asked = network.polls.length;
    await pass(network, 30_000);
    expect(network.polls.length).toBe(asked);
  });

  it('drops an answer to a cursor that has moved on', async () => {
    const { network, follower } = await polled();
    await pass(network, 600);
    network.socket.open();
    const poll = lastPoll(network);
    follower.receive({ op: 'live', thread: 't', seq: 5 });
    follower.subscription.receive({ op: 'events', thread: 't', events: [] });
    poll.answer(page(5, 7));
    await flushPromises();
    expect(follower.transcript.seq).toBe(7);
    network.socket.receive(framed(5, 10));
    expect(follower.transcript.seq).toBe(10);
  });

  it('asks for many threads over two connections at most', async () => {
    const network = new FakeNetwork();
    const names = Array.from({ length: 12 }, (_, index) => `t${index}`);
    const followers = names.map(name => network.connection.follow(name, () => undefined));
    const answered = new Set<object>();
    let most = 0;
    network.socket.drop();
    await pass(network, 300);
    network.socket.drop();
    for (let round = 0; round < 400; round += 1) {
      await pass(network, 50);
      const waiting = network.polls.filter(poll => !answered.has(poll) && !poll.signal.aborted);
      most = Math.max(most, waiting.length);
      for (const poll of waiting.filter(each => each.wait_s === 0)) {
        answered.add(poll);
        poll.answer({ events: [], seq: poll.after });
      }
    }
    expect(most).toBeLessThanOrEqual(2);
    expect(new Set(network.polls.map(poll => poll.thread)).size).toBe(12);
    expect(followers.every(follower => follower.link === 'live')).toBe(true);
  });

  it('waits for news where there was some last', async () => {
    const { network } = await polled();
    network.connection.follow('u', () => undefined);
    await pass(network, 1_600);
    const look = network.polls.find(poll => poll.thread === 'u');
    expect(look).toMatchObject({ wait_s: 0, after: 0 });
    look?.answer({
      events: EVENTS.slice(0, 3).map(event => ({ ...event, thread_id: 'u' })),
      seq: 3
    });
    await pass(network, 200);
    expect(lastPoll(network)).toMatchObject({ thread: 'u', after: 3, wait_s: 20 });
  });

  it('folds anew where the server knows less, and ends with a thread that is gone', async () => {
    const { network, follower } = await polled();
    lastPoll(network).fail(new ApiError(409, 'cursor_ahead', 'ends at 2'));
    await pass(network, 200);
    expect(lastPoll(network)).toMatchObject({ after: 0 });
    lastPoll(network).fail(new ApiError(404, 'thread_not_found', 'no'));
    await flushPromises();
    expect(follower.end).toEqual({ error: { code: 'thread_not_found', message: 'no' } });
  });

  it('says Reconnecting where polls fail as well, and tries sockets as before', async () => {
    const { network, follower } = await polled();
    lastPoll(network).fail(AWAY);
    await flushPromises();
    expect(follower.link).toBe('reconnecting');
    const before = network.sockets.length;
    await pass(network, 6_000);
    expect(network.sockets.length).toBeGreaterThan(before);
  });

  it('ends every poll and timer with the last follower', async () => {
    const { network, follower } = await polled();
    follower.dispose();
    await pass(network, 60_000);
    expect(network.clock.pending).toBe(0);
    expect(network.polls.every(poll => poll.signal.aborted || poll.wait_s === 0)).toBe(true);
  });
});

describe('a page whose login has ended', () => {
  async function signedOut() {
    const made = await refused();
    lastPoll(made.network).fail(SIGNED_OUT);
    await flushPromises();
    return made;
  }

  it('says so, and what to do', async () => {
    const { follower } = await signedOut();
    expect(linkLine(follower.link, ENGLISH.trans)?.text).toBe(
      'You are signed out. Reload this page to sign in again.'
    );
  });

  it('asks once each half minute, and opens no socket', async () => {
    const { network } = await signedOut();
    const [sockets, polls] = [network.sockets.length, network.polls.length];
    for (let minute = 0; minute < 10; minute += 1) {
      await pass(network, 60_000);
      lastPoll(network).fail(SIGNED_OUT);
      await flushPromises();
    }
    expect(network.sockets.length).toBe(sockets);
    expect(network.polls.length - polls).toBeLessThanOrEqual(20);
    expect(network.polls.length - polls).toBeGreaterThanOrEqual(10);
  });

  it('tries a socket again where only the list of threads is left, which is not polled', async () => {
    const { network, follower } = await signedOut();
    const end = network.connection.watch({ receive: () => undefined, onLoss: () => undefined });
    follower.dispose();
    const before = network.sockets.length;
    await pass(network, 31_000);
    expect(network.sockets.length).toBe(before + 1);
    end();
  });

  it('is live again when the login is back, and over the socket', async () => {
    const { network, follower } = await signedOut();
    network.connection.wake(); // the reader has come back from where they logged in
    await flushPromises();
    lastPoll(network).answer(page(0, 5));
    await flushPromises();
    expect(follower.link).toBe('live');
    network.socket.open();
    network.socket.receive(framed(5, 10));
    network.socket.receive({ op: 'live', thread: 't', seq: 10 });
    expect(follower.transcript.seq).toBe(10);
    expect(follower.link).toBe('live');
  });

  it('recovers by itself too', async () => {
    const { network, follower } = await signedOut();
    await pass(network, 31_000);
    lastPoll(network).answer(page(0, 10));
    await flushPromises();
    expect(follower.link).toBe('live');
  });
});
