/** One thread as the page follows it, whatever way its frames come. */
import { type Failure, type ThreadFrame } from './protocol';
import { Subscription } from './subscription';
import { type Transcript } from './transcript';

/** What the reader of a thread is told about the way to the server. */
export type Link = 'connecting' | 'live' | 'reconnecting' | 'signed_out';

/** The way to the server that followers share. */
export interface Transport {
  readonly isOpen: boolean;
  readonly isSignedOut: boolean;
  ask(follower: Follower): void;
  restart(): void;
  leave(follower: Follower): void;
}

/** One thread on the connection. */
export class Follower {
  constructor(
    readonly threadId: string,
    readonly changed: () => void,
    connection: Transport
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
    if (this._connection.isSignedOut) {
      return 'signed_out';
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

  private readonly _connection: Transport;
  private _wasLive = false;
}
