/**
 * The page's only WebSocket, shared by all threads, with reconnects and polling.
 *
 *     closed ──first follower──► connecting ──open──► live
 *        ▲                           ▲                 │ closed, or 45 s of silence
 *        └──── last follower gone    └── backoff ◄─────┘ (reconnecting)
 *
 * If sockets do not open, or bring no frames, the page polls the threads (`polling.ts`) and tries a
 * socket again at least once a minute. After the end of the login, the page sends only one poll each half
 * minute.
 *
 * Owns the socket and its timers. Both end 10 s after the last follower has left, so that redrawing a cell
 * costs no handshake. Each follower subscribes again from its own cursor, so a broken socket loses no event
 * (L6). Sockets, time and randomness are passed in.
 */
import { ProtocolError, parseFrame } from '../protocol/parse';
import { type Frame, isOfList, isOfThread } from '../protocol/records';
import { type ApiError, type Socket } from './api';
import { Follower, type Watcher } from './follower';
import { type Poll, Polling } from './polling';
import { Silence } from './silence';

export interface Clock {
  now(): number;
  /** Call `action` once after `delay_ms`. Returns a function that cancels the call. */
  later(action: () => void, delay_ms: number): () => void;
}

interface ConnectionOptions {
  readonly openSocket: () => Socket;
  readonly poll: Poll;
  readonly clock: Clock;
  /** A random number between 0 and 1, which spreads the reconnects of many pages. */
  readonly random: () => number;
}

const LINGER_MS = 10_000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;
/** If a socket brings no frame of a thread within this time, it counts as broken, and polling begins. */
const UNHEARD_MS = 4_000;
/** Polling begins after this many sockets in a row have brought no frame of a thread. */
const FAILURES_BEFORE_POLLING = 2;
/** The first and the longest delay before a new socket is tried while polling works. */
const FIRST_POLLING_DELAY_MS = 5_000;
const LONGEST_POLLING_DELAY_MS = 60_000;
const SIGNED_OUT_MS = 30_000;
/** How long a socket may take to answer `ping`: when the browser reports that it is offline, and when the
 * page becomes visible again. An unnecessary new socket costs a handshake, but no event. */
const OFFLINE_PATIENCE_MS = 150;
const RETURN_PATIENCE_MS = 3_000;

export class Connection {
  constructor(private readonly _options: ConnectionOptions) {
    this._silence = new Silence(_options.clock, () => this._onLoss());
    this._polling = new Polling({
      poll: _options.poll,
      clock: _options.clock,
      threads: () => [...this._followers.values()],
      onWorking: () => this._pollingWorks(),
      onFailed: error => this._pollingFailed(error)
    });
  }

  /** How many sockets in a row brought no frame of a thread. */
  get failures(): number {
    return this._failures;
  }

  /** Whether events arrive, over the socket or by polling. */
  get isOpen(): boolean {
    return this._isOpen || this._polling.isWorking;
  }

  get isSignedOut(): boolean {
    return this._isSignedOut;
  }

  /** Follow a thread, with one follower per thread. `onChange` is called after each step. */
  follow(threadId: string, onChange: () => void): Follower {
    if (this._followers.has(threadId)) {
      throw new Error(`Thread ${threadId} is already followed on this connection.`);
    }
    const follower = new Follower(threadId, onChange, this);
    this._followers.set(threadId, follower);
    this._openIfClosed();
    if (this._isOpen) {
      this.ask(follower);
    }
    this._polling.wake();
    return follower;
  }

  /** Watch the list of threads, with one watcher at a time. Returns a function that ends the watching. */
  watch(watcher: Watcher): () => void {
    this._watcher = watcher;
    this._openIfClosed();
    this._askForList();
    return () => {
      if (this._watcher !== watcher) {
        return;
      }
      this._watcher = null;
      this.send({ op: 'unwatch' });
      this._lingerIfUnused();
    };
  }

  /** Ping an open socket, drop a silent socket, and make a waiting retry at once. */
  wake(): void {
    if (this._isOpen && this._silence.isOver) {
      this._onLoss();
    } else {
      this._expectFrame(RETURN_PATIENCE_MS);
    }
    if (this._cancelRetry !== null) {
      this._cancelRetry();
      this._cancelRetry = null;
      this._tryAgain();
    }
  }

  /** Ping the socket, because the browser is offline. A server on this machine still answers. */
  offline(): void {
    this._expectFrame(OFFLINE_PATIENCE_MS);
  }

  /** End the socket and every timer. */
  dispose(): void {
    this._followers.clear();
    this._watcher = null;
    this._shutDown();
  }

  /** Subscribe from the follower's cursor. */
  ask(follower: Follower): void {
    if (!this._polling.isWorking) {
      follower.subscription.noteRequest(); // while polling works, the thread stays live
    }
    follower.opening.forEach(frame => this.send(frame));
    this._polling.wake();
  }

  /** Send a frame, if the socket is open. */
  send(frame: object): void {
    if (this._isOpen) {
      this._socket?.send(JSON.stringify(frame));
    }
  }

  /** Replace the socket, so that no frame of the old socket arrives any more. */
  restart(): void {
    if (this._isOpen) {
      this._onLoss();
    }
  }

  /** Stop following a thread. The follower calls this in `dispose`. */
  leave(follower: Follower): void {
    if (this._followers.get(follower.threadId) !== follower) {
      return;
    }
    this._followers.delete(follower.threadId);
    this.send({ op: 'unsubscribe', thread: follower.threadId });
    this._lingerIfUnused();
  }

  private _askForList(): void {
    if (this._isOpen && this._watcher !== null) {
      this.send({ op: 'watch' });
    }
  }

  private get _isUsed(): boolean {
    return this._followers.size > 0 || this._watcher !== null;
  }

  private _lingerIfUnused(): void {
    if (!this._isUsed) {
      this._cancelLinger();
      this._linger = this._options.clock.later(() => this._shutDown(), LINGER_MS);
    }
  }

  private _openIfClosed(): void {
    this._cancelLinger();
    if (this._socket === null && this._cancelRetry === null) {
      this._open();
    }
  }

  private _open(): void {
    const socket = this._options.openSocket();
    this._socket = socket;
    socket.onopen = () => this._onOpen(socket);
    socket.onmessage = event => this._onData(socket, event.data);
    socket.onclose = () => {
      if (this._socket === socket) {
        this._onLoss();
      }
    };
    this._isHeard = false;
    this._cancelUnheard = this._options.clock.later(() => this._polling.start(), UNHEARD_MS);
    this._silence.begin();
  }

  private _onOpen(socket: Socket): void {
    if (this._socket !== socket) {
      return;
    }
    this._isOpen = true;
    this._silence.noteFrame();
    this._askForList();
    for (const follower of [...this._followers.values()]) {
      if (follower.end === null) {
        this.ask(follower);
        follower.onChange();
      }
    }
  }

  private _onData(socket: Socket, data: unknown): void {
    if (this._socket !== socket) {
      return;
    }
    this._silence.noteFrame();
    let frame: Frame | null;
    try {
      frame = parseFrame(String(data));
    } catch (error) {
      if (error instanceof ProtocolError) {
        this._onLoss();
        return;
      }
      throw error;
    }
    if (frame === null || !(isOfList(frame) || isOfThread(frame))) {
      return;
    }
    this._failures = 0;
    if (!this._isHeard) {
      this._isHeard = true;
      this._isSignedOut = false;
      this._cancelUnheard?.();
      this._cancelUnheard = null;
      this._polling.stop();
    }
    if (isOfList(frame)) {
      this._watcher?.receive(frame);
    } else {
      this._followers.get(frame.thread)?.receive(frame);
    }
  }

  private _expectFrame(patience_ms: number): void {
    if (this._isOpen) {
      this.send({ op: 'ping' });
      this._silence.expectFrame(patience_ms);
    }
  }

  private _onLoss(): void {
    const wasHeard = this._isHeard;
    this._drop();
    this._failures += 1;
    this._watcher?.onLoss();
    if (!this._polling.isWorking) {
      this._markSilent();
    }
    if (this._isUsed) {
      this._retryLater();
      if (!wasHeard && this._failures >= FAILURES_BEFORE_POLLING) {
        this._polling.start();
      }
    }
  }

  /** Tell every follower that no events arrive any more. */
  private _markSilent(): void {
    for (const follower of [...this._followers.values()]) {
      follower.subscription.isLive = false;
      follower.onChange();
    }
  }

  private _retryLater(): void {
    this._cancelRetry ??= this._options.clock.later(() => {
      this._cancelRetry = null;
      this._tryAgain();
    }, this._delay_ms());
  }

  /** Try a socket; while signed out, poll a thread once to check the login. */
  private _tryAgain(): void {
    if (this._isSignedOut && this._followers.size > 0) {
      this._polling.start();
    } else {
      this._open();
    }
  }

  private _pollingWorks(): void {
    const wasSignedOut = this._isSignedOut;
    this._isSignedOut = false;
    this._triesWhilePolling = 0;
    if (wasSignedOut && this._socket === null) {
      this._cancelRetry?.();
      this._cancelRetry = null;
      this._open();
    }
  }

  private _pollingFailed(error: ApiError): void {
    this._isSignedOut = error.code === 'login_ended';
    if (this._isSignedOut) {
      this._drop();
      this._cancelRetry?.();
      this._cancelRetry = null;
    }
    if (!this._isOpen) {
      this._markSilent();
    }
    if (this._socket === null && this._isUsed) {
      this._retryLater();
    }
  }

  private _delay_ms(): number {
    if (this._isSignedOut) {
      return SIGNED_OUT_MS;
    }
    const spread = 0.5 + 0.5 * this._options.random();
    if (this._polling.isWorking) {
      this._triesWhilePolling += 1;
      return (
        spread *
        Math.min(
          LONGEST_POLLING_DELAY_MS,
          FIRST_POLLING_DELAY_MS * 2 ** (this._triesWhilePolling - 1)
        )
      );
    }
    return spread * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this._failures - 1));
  }

  private _drop(): void {
    const socket = this._socket;
    this._socket = null;
    this._isOpen = false;
    this._isHeard = false;
    this._silence.end();
    this._cancelUnheard?.();
    this._cancelUnheard = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  private _shutDown(): void {
    this._cancelLinger();
    this._cancelRetry?.();
    this._cancelRetry = null;
    this._failures = 0;
    this._triesWhilePolling = 0;
    this._isSignedOut = false;
    this._polling.stop();
    this._drop();
  }

  private _cancelLinger(): void {
    this._linger?.();
    this._linger = null;
  }

  private readonly _followers = new Map<string, Follower>();
  private _watcher: Watcher | null = null;
  private _socket: Socket | null = null;
  private readonly _polling: Polling;
  private readonly _silence: Silence;
  private _isOpen = false;
  /** Whether the current socket has brought a frame of a thread. */
  private _isHeard = false;
  private _isSignedOut = false;
  private _failures = 0;
  private _triesWhilePolling = 0;
  private _cancelUnheard: (() => void) | null = null;
  private _cancelRetry: (() => void) | null = null;
  private _linger: (() => void) | null = null;
}
