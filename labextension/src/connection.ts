/**
 * One WebSocket per page, many threads on it, and the way back when it breaks.
 *
 *     closed ──first follower──► connecting ──open──► live
 *        ▲                           ▲                 │ closed, or 45 s of silence
 *        └──── last follower gone    └── backoff ◄─────┘ (reconnecting)
 *
 * Owns the socket and its timers; ends both with the last follower (after a short linger, so that
 * redrawing a cell does not cost a handshake). Each follower resubscribes from its own cursor, so a
 * broken socket costs time and nothing else (L6). Sockets, time and chance are passed in.
 */
import { ProtocolError, parseFrame } from './parse';
import { type Failure, type Frame, type ThreadFrame } from './protocol';
import { Subscription } from './subscription';
import { type Transcript } from './transcript';

/** The part of WebSocket that is used. */
export interface Socket {
  onopen: ((event: Event) => unknown) | null;
  onmessage: ((event: MessageEvent) => unknown) | null;
  onclose: ((event: CloseEvent) => unknown) | null;
  send(data: string): void;
  close(): void;
}

export interface Clock {
  now(): number;
  /** Call once, later; the answer cancels it. */
  later(action: () => void, delay_ms: number): () => void;
}

export interface ConnectionOptions {
  readonly openSocket: () => Socket;
  readonly clock: Clock;
  /** Between 0 and 1: spreads the reconnects of many pages. */
  readonly random: () => number;
}

/** What the reader of a thread is told about the way to the server. */
export type Link = 'connecting' | 'live' | 'reconnecting';

export const SILENCE_MS = 45_000;
const LINGER_MS = 10_000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;

export class Connection {
  constructor(options: ConnectionOptions) {
    this._options = options;
  }

  /** How many times in a row no socket could be opened. */
  get failures(): number {
    return this._failures;
  }

  get isOpen(): boolean {
    return this._isOpen;
  }

  /** Follow a thread; `changed` is called after each step. One follower per thread. */
  follow(threadId: string, changed: () => void): Follower {
    if (this._followers.has(threadId)) {
      throw new Error(`Thread ${threadId} is followed already on this connection.`);
    }
    const follower = new Follower(threadId, changed, this);
    this._followers.set(threadId, follower);
    this._cancelLinger();
    if (this._isOpen) {
      this.ask(follower);
    } else if (this._socket === null && this._cancelRetry === null) {
      this._open();
    }
    return follower;
  }

  /** Try at once where a retry is waiting, and look again at a socket that fell silent. */
  wake(): void {
    const { clock } = this._options;
    if (this._isOpen && clock.now() - this._heardAt > SILENCE_MS) {
      this._lost();
    }
    if (this._cancelRetry !== null) {
      this._cancelRetry();
      this._cancelRetry = null;
      this._open();
    }
  }

  /** End the socket and every timer. */
  dispose(): void {
    this._followers.clear();
    this._shut();
  }

  /** Ask for what comes after the follower's cursor. */
  ask(follower: Follower): void {
    if (this._isOpen) {
      follower.subscription.asked();
      const after = follower.transcript.seq;
      this._send({ op: 'subscribe', thread: follower.threadId, after });
    }
  }

  /** Begin a new socket: no frame of the old one can come between. */
  restart(): void {
    if (this._isOpen) {
      this._lost();
    }
  }

  /** Called by a follower that is disposed. */
  leave(follower: Follower): void {
    if (this._followers.get(follower.threadId) !== follower) {
      return;
    }
    this._followers.delete(follower.threadId);
    if (this._isOpen) {
      this._send({ op: 'unsubscribe', thread: follower.threadId });
    }
    if (this._followers.size === 0) {
      this._cancelLinger();
      this._linger = this._options.clock.later(() => this._shut(), LINGER_MS);
    }
  }

  private _open(): void {
    const socket = this._options.openSocket();
    this._socket = socket;
    socket.onopen = () => this._opened(socket);
    socket.onmessage = event => this._received(socket, event.data);
    socket.onclose = () => {
      if (this._socket === socket) {
        this._lost();
      }
    };
    this._watch();
  }

  private _opened(socket: Socket): void {
    if (this._socket !== socket) {
      return;
    }
    this._isOpen = true;
    this._heard();
    for (const follower of [...this._followers.values()]) {
      if (follower.ended === null) {
        this.ask(follower);
        follower.changed();
      }
    }
  }

  private _received(socket: Socket, data: unknown): void {
    if (this._socket !== socket) {
      return;
    }
    this._heard();
    let frame: Frame | null;
    try {
      frame = parseFrame(String(data));
    } catch (error) {
      if (error instanceof ProtocolError) {
        this._lost();
        return;
      }
      throw error;
    }
    if (frame === null || !isOfThread(frame)) {
      return;
    }
    this._failures = 0;
    this._followers.get(frame.thread)?.receive(frame);
  }

  private _heard(): void {
    this._heardAt = this._options.clock.now();
  }

  /** Look once per silence: cheaper than a timer per frame. */
  private _watch(): void {
    this._cancelWatch?.();
    this._heard();
    const look = (): void => {
      const left = this._heardAt + SILENCE_MS - this._options.clock.now();
      if (left <= 0) {
        this._lost();
      } else {
        this._cancelWatch = this._options.clock.later(look, left);
      }
    };
    this._cancelWatch = this._options.clock.later(look, SILENCE_MS);
  }

  private _lost(): void {
    this._drop();
    this._failures += 1;
    for (const follower of [...this._followers.values()]) {
      follower.subscription.isLive = false;
      follower.changed();
    }
    if (this._followers.size > 0 && this._cancelRetry === null) {
      this._cancelRetry = this._options.clock.later(() => {
        this._cancelRetry = null;
        this._open();
      }, this._delay_ms());
    }
  }

  private _delay_ms(): number {
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this._failures - 1));
    return delay * (0.5 + 0.5 * this._options.random());
  }

  private _drop(): void {
    const socket = this._socket;
    this._socket = null;
    this._isOpen = false;
    this._cancelWatch?.();
    this._cancelWatch = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  private _shut(): void {
    this._cancelLinger();
    this._cancelRetry?.();
    this._cancelRetry = null;
    this._failures = 0;
    this._drop();
  }

  private _cancelLinger(): void {
    this._linger?.();
    this._linger = null;
  }

  private _send(frame: object): void {
    this._socket?.send(JSON.stringify(frame));
  }

  private readonly _options: ConnectionOptions;
  private readonly _followers = new Map<string, Follower>();
  private _socket: Socket | null = null;
  private _isOpen = false;
  private _failures = 0;
  private _heardAt = 0;
  private _cancelRetry: (() => void) | null = null;
  private _cancelWatch: (() => void) | null = null;
  private _linger: (() => void) | null = null;
}

function isOfThread(frame: Frame): frame is ThreadFrame {
  return 'thread' in frame && frame.thread !== null;
}

/** One thread on the connection. */
export class Follower {
  constructor(
    readonly threadId: string,
    readonly changed: () => void,
    connection: Connection
  ) {
    this._connection = connection;
  }

  readonly subscription = new Subscription();
  /** Set once nothing more will come: `error` is null where the thread was deleted. */
  ended: { readonly error: Failure | null } | null = null;

  get transcript(): Transcript {
    return this.subscription.transcript;
  }

  get link(): Link {
    if (this._connection.isOpen && this.subscription.isLive) {
      this._wasLive = true;
      return 'live';
    }
    return this._wasLive ? 'reconnecting' : 'connecting';
  }

  receive(frame: ThreadFrame): void {
    if (this.ended !== null) {
      return;
    }
    const action = this.subscription.receive(frame);
    if (action === null) {
      return;
    }
    if (action.do === 'end') {
      this.ended = { error: action.error };
    } else if (action.do === 'ask' && action.why === 'misfit') {
      this._connection.restart();
    } else if (action.do === 'ask') {
      this._connection.ask(this);
    }
    this.changed();
  }

  /** Leave the thread. Its runs go on (L8). */
  dispose(): void {
    this._connection.leave(this);
  }

  private readonly _connection: Connection;
  private _wasLive = false;
}
