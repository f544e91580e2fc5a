/** Follows one thread over the socket or by polling. */
import { type Transcript } from '../fold/transcript';
import { type Failure, type ListFrame, type ThreadFrame } from '../protocol/records';
import { Subscription } from './subscription';

/** The state of the connection, as the reader of a thread sees it. */
export type Link = 'connecting' | 'live' | 'reconnecting' | 'signed_out';

/** The part of the connection that a follower uses. */
interface Transport {
  readonly isOpen: boolean;
  readonly isSignedOut: boolean;
  ask(follower: Follower): void;
  send(frame: object): void;
  restart(): void;
  leave(follower: Follower): void;
}

/** A listener for changes in the list of threads. */
export interface Watcher {
  receive(frame: ListFrame): void;
  /** Called when frames stop to arrive, until the next frame. */
  onLoss(): void;
}

export class Follower {
  constructor(
    readonly threadId: string,
    readonly onChange: () => void,
    connection: Transport
  ) {
    this._connection = connection;
  }

  readonly subscription = new Subscription();
  /** Set when no more events will come; `error` is null if the thread was deleted. */
  end: { readonly error: Failure | null } | null = null;

  /** The frames that begin a subscription at the current cursor. */
  get opening(): readonly object[] {
    const after = this.transcript.seq;
    const preview = after === 0 ? { preview: true } : {};
    const subscribe = { op: 'subscribe', thread: this.threadId, after, ...preview };
    return this._offer === null ? [subscribe] : [subscribe, this._offer];
  }

  /** Offer tools in the thread, now and with each new socket. */
  offer(frame: object): void {
    this._offer = frame;
    this._connection.send(frame);
  }

  get transcript(): Transcript {
    return this.subscription.transcript;
  }

  get preview(): Transcript | null {
    return this.subscription.preview;
  }

  /** The thread's record. While a long thread is loading, the record of the preview is newer. */
  get thread(): Transcript['thread'] {
    return this.preview?.thread ?? this.transcript.thread;
  }

  get link(): Link {
    if (this._connection.isOpen && this.subscription.isLive) {
      this._wasLive = true;
      return 'live';
    }
    if (this._connection.isSignedOut) {
      return 'signed_out';
    }
    return this._wasLive ? 'reconnecting' : 'connecting';
  }

  receive(frame: ThreadFrame): void {
    if (this.end !== null) {
      return;
    }
    const action = this.subscription.receive(frame);
    if (action === null) {
      return;
    }
    if (action.do === 'end') {
      this.end = { error: action.error };
    } else if (action.do === 'ask' && action.why === 'misfit') {
      this._connection.restart();
    } else if (action.do === 'ask') {
      this._connection.ask(this);
    }
    this.onChange();
  }

  /** Stop following the thread. Its runs go on (L8). */
  dispose(): void {
    if (this._offer !== null) {
      this._connection.send({ ...this._offer, tools: [] });
    }
    this._connection.leave(this);
  }

  private readonly _connection: Transport;
  private _offer: object | null = null;
  private _wasLive = false;
}
