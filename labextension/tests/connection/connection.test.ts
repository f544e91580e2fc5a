// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { SILENCE_MS } from '../../src/connection/silence';
import { FakeNetwork, conversation } from '../fakes';

const EVENTS = conversation();
const framed = (from: number, to: number) => ({
  op: 'events',
  thread: 't',
  events: EVENTS.slice(from, to)
});

function following() {
  const network = new FakeNetwork();
  let changes = 0;
  const follower = network.connection.follow('t', () => (changes += 1));
  return { network, follower, changes: () => changes };
}

describe('a connection', () => {
  it('opens one socket for all threads and asks for each from its cursor', () => {
    const { network } = following();
    network.connection.follow('u', () => undefined);
    network.socket.open();
    expect(network.sockets.length).toBe(1);
    expect(network.socket.sent).toEqual([
      { op: 'subscribe', thread: 't', after: 0, preview: true },
      { op: 'subscribe', thread: 'u', after: 0, preview: true }
    ]);
  });

  it('goes from connecting over live and reconnecting to live, and loses nothing (L6)', () => {
    const { network, follower } = following();
    expect(follower.link).toBe('connecting');
    network.socket.open();
    network.socket.receive(framed(0, 5));
    network.socket.receive({ op: 'live', thread: 't', seq: 5 });
    expect(follower.link).toBe('live');
    network.socket.drop();
    expect(follower.link).toBe('reconnecting');
    network.clock.turn(1_000);
    network.socket.open();
    expect(network.socket.sent).toEqual([{ op: 'subscribe', thread: 't', after: 5 }]);
    network.socket.receive(framed(3, 10));
    network.socket.receive({ op: 'live', thread: 't', seq: 10 });
    expect(follower.link).toBe('live');
    expect(follower.transcript.messages.get('a')?.parts).toEqual([
      { kind: 'text', text: 'Because of it.' }
    ]);
  });

  it('waits longer after each failure, to a bound', () => {
    const { network } = following();
    const waits: number[] = [];
    for (let round = 0; round < 8; round += 1) {
      network.socket.drop();
      const before = network.clock.now();
      const opened = network.sockets.length;
      while (network.sockets.length === opened) {
        network.clock.turn(50);
      }
      waits.push(network.clock.now() - before);
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
  });

  it('begins with short waits again once a thread was heard of', () => {
    const { network } = following();
    for (let round = 0; round < 5; round += 1) {
      network.socket.drop();
      network.clock.turn(5_000);
    }
    network.socket.open();
    network.socket.receive({ op: 'live', thread: 't', seq: 0 });
    expect(network.connection.failures).toBe(0);
  });

  it('takes a silent socket for dead, and a heartbeat for life', () => {
    const { network } = following();
    network.socket.open();
    network.clock.turn(SILENCE_MS - 1_000);
    network.socket.receive({ op: 'heartbeat' });
    network.clock.turn(SILENCE_MS - 1_000);
    expect(network.socket.isClosed).toBe(false);
    const silent = network.socket;
    network.clock.turn(2_000);
    expect(silent.isClosed).toBe(true);
    expect(network.sockets.length).toBe(2);
  });

  it('loses a socket within a second when the browser is off the net and no answer comes', () => {
    const { network, follower } = following();
    network.socket.open();
    network.socket.receive({ op: 'live', thread: 't', seq: 0 });
    expect(follower.link).toBe('live');
    network.connection.offline();
    expect(network.socket.sent.at(-1)).toEqual({ op: 'ping' });
    network.clock.turn(200);
    expect(follower.link).toBe('reconnecting');
    network.connection.wake(); // the browser is back
    network.socket.open();
    network.socket.receive({ op: 'live', thread: 't', seq: 0 });
    expect(follower.link).toBe('live');
  });

  it('keeps a socket whose server answers although the browser is off the net', () => {
    const { network, follower } = following();
    network.socket.open();
    network.socket.receive({ op: 'live', thread: 't', seq: 0 });
    network.connection.offline();
    network.socket.receive({ op: 'pong' });
    network.clock.turn(1_000);
    expect(follower.link).toBe('live');
    expect(network.sockets.length).toBe(1);
  });

  it('asks a socket whether it lives when the page is seen again', () => {
    const { network } = following();
    network.socket.open();
    const socket = network.socket;
    network.connection.wake();
    expect(socket.sent.at(-1)).toEqual({ op: 'ping' });
    network.clock.turn(4_000);
    expect(socket.isClosed).toBe(true);
    expect(network.sockets.length).toBe(2);
  });

  it('gives up on a socket that never opens', () => {
    const { network } = following();
    network.clock.turn(SILENCE_MS + 1_000);
    expect(network.sockets.length).toBe(2);
  });

  it('hears nothing from a socket it has left', () => {
    const { network, follower } = following();
    const first = network.socket;
    first.open();
    const stale = first.onmessage;
    first.drop();
    network.clock.turn(1_000);
    network.socket.open();
    stale?.(new MessageEvent('message', { data: JSON.stringify(framed(0, 4)) }));
    expect(follower.transcript.seq).toBe(0);
  });

  it('asks again from its cursor on a gap', () => {
    const { network } = following();
    network.socket.open();
    network.socket.receive(framed(0, 3));
    network.socket.receive(framed(5, 7));
    expect(network.socket.sent.at(-1)).toEqual({ op: 'subscribe', thread: 't', after: 3 });
  });

  it('folds anew from 0 on cursor_ahead, on the same socket', () => {
    const { network, follower } = following();
    network.socket.open();
    network.socket.receive(framed(0, 5));
    const error = { code: 'cursor_ahead', message: 'ends at 2' };
    network.socket.receive({ op: 'error', thread: 't', error });
    expect(network.socket.sent.at(-1)).toEqual({
      op: 'subscribe',
      thread: 't',
      after: 0,
      preview: true
    });
    expect(follower.transcript.seq).toBe(0);
    expect(network.sockets.length).toBe(1);
  });

  it('follows from 0 on a new socket after an event that does not fit', () => {
    const { network, follower } = following();
    network.socket.open();
    network.socket.receive(framed(0, 4));
    network.socket.receive({ op: 'events', thread: 't', events: [{ ...EVENTS[4], part: 9 }] });
    network.clock.turn(1_000);
    network.socket.open();
    expect(network.sockets.length).toBe(2);
    expect(network.socket.sent).toEqual([
      { op: 'subscribe', thread: 't', after: 0, preview: true }
    ]);
    network.socket.receive(framed(0, 10));
    expect(follower.transcript.seq).toBe(10);
  });

  it('keeps the socket through errors of one thread, errors of none, and unknown ops', () => {
    const { network, follower, changes } = following();
    const other = network.connection.follow('u', () => undefined);
    network.socket.open();
    network.socket.receive({ op: 'error', error: { code: 'invalid_input', message: 'what?' } });
    network.socket.receive({ op: 'newer', thread: 't' });
    const error = { code: 'thread_not_found', message: 'no' };
    network.socket.receive({ op: 'error', thread: 'u', error });
    expect(other.end).toEqual({ error });
    expect(follower.end).toBeNull();
    expect(network.socket.isClosed).toBe(false);
    const before = changes();
    network.socket.receive(framed(0, 1));
    expect(changes()).toBe(before + 1);
  });

  it('does not ask again for a thread that has ended', () => {
    const { network, follower } = following();
    network.socket.open();
    network.socket.receive({ op: 'closed', thread: 't', reason: 'deleted' });
    expect(follower.end).toEqual({ error: null });
    network.socket.drop();
    network.clock.turn(1_000);
    network.socket.open();
    expect(network.socket.sent).toEqual([]);
  });

  it('opens anew after a frame that is no JSON', () => {
    const { network } = following();
    network.socket.open();
    network.socket.receive('<html>');
    network.clock.turn(1_000);
    expect(network.sockets.length).toBe(2);
  });

  it('closes the socket a while after the last follower left, and ends every timer', () => {
    const { network, follower } = following();
    network.socket.open();
    follower.dispose();
    expect(network.socket.sent.at(-1)).toEqual({ op: 'unsubscribe', thread: 't' });
    expect(network.socket.isClosed).toBe(false);
    network.clock.turn(60_000);
    expect(network.socket.isClosed).toBe(true);
    expect(network.clock.pending).toBe(0);
    network.connection.follow('t', () => undefined);
    expect(network.sockets.length).toBe(2);
  });

  it('does not reconnect for nobody', () => {
    const { network, follower } = following();
    network.socket.open();
    follower.dispose();
    network.socket.drop();
    network.clock.turn(60_000);
    expect(network.sockets.length).toBe(1);
  });

  it('tries at once when it is woken', () => {
    const { network } = following();
    for (let round = 0; round < 5; round += 1) {
      network.socket.drop();
      network.clock.turn(5_000);
    }
    network.socket.drop();
    const before = network.sockets.length;
    network.connection.wake();
    expect(network.sockets.length).toBe(before + 1);
    expect(network.clock.pending).toBeLessThanOrEqual(2);
  });
});
