/**
 * The subscription: how a reader handles the frames of a thread. Pure: no socket, no clock.
 *
 * The twin of `jupyter_chat_stream/shared/subscription.py`. Keeps L6: it accepts the event with
 * `seq = cursor + 1`, drops earlier ones, and asks again after a gap.
 */
import { EMPTY, FoldError, type Transcript, fold, replace } from '../fold/transcript';
import { type Failure, type ThreadEvent, type ThreadFrame } from '../protocol/records';

/** What the reader does after a frame. */
type Action =
  | { readonly do: 'show' }
  | { readonly do: 'ask'; readonly why: 'gap' | 'cursor_ahead' | 'misfit' }
  | { readonly do: 'end'; readonly error: Failure | null }
  | null;

/**
 * The state of one reader of one thread: turns frames into actions.
 *
 * After `ask` the reader subscribes from `transcript.seq`. Until the first frame of the new subscription,
 * frames of the old one cause no second `ask`. If an event cannot be folded two times, the subscription
 * ends with an error, because a third attempt would fail as well.
 */
export class Subscription {
  transcript: Transcript = EMPTY;
  /** The newest messages of a long thread until it is loaded; no part of the state. */
  preview: Transcript | null = null;
  isLive = false;

  /** Note that the reader has subscribed again, on this socket or a new one. */
  noteRequest(): void {
    this.isLive = false;
    this._isAsking = true;
  }

  receive(frame: ThreadFrame): Action {
    switch (frame.op) {
      case 'events':
        return this._receiveEvents(frame.events);
      case 'preview':
        this.preview = replace(EMPTY, { ...frame, op: 'snapshot' });
        return { do: 'show' };
      case 'snapshot':
        this._moveTo(replace(this.transcript, frame));
        return { do: 'show' };
      case 'misfit':
        return this._onMisfit(frame.message, this.transcript.seq + 1);
      case 'live':
        this._isAsking = false;
        if (frame.seq > this.transcript.seq) {
          return this._ask('gap');
        }
        this.isLive = true;
        this.preview = null;
        return { do: 'show' };
      case 'closed':
        return { do: 'end', error: null };
      case 'error':
        if (frame.error.code !== 'cursor_ahead') {
          return { do: 'end', error: frame.error };
        }
        this.transcript = EMPTY;
        return this._ask('cursor_ahead');
    }
  }

  private _receiveEvents(events: readonly ThreadEvent[]): Action {
    const newEvents = events.filter(event => event.seq > this.transcript.seq);
    let next = this.transcript.seq + 1;
    const fitting = newEvents.filter(event => event.seq === next && ++next > 0);
    try {
      if (fitting.length > 0) {
        this._moveTo(fold(this.transcript, fitting));
      }
    } catch (error) {
      if (!(error instanceof FoldError)) {
        throw error;
      }
      return this._onMisfit(error.message, error.seq);
    }
    if (fitting.length < newEvents.length) {
      return this._isAsking ? { do: 'show' } : this._ask('gap');
    }
    return fitting.length > 0 ? { do: 'show' } : null;
  }

  private _onMisfit(message: string, seq: number): Action {
    if (seq <= this._misfitSeq) {
      return { do: 'end', error: { code: 'fold_error', message } };
    }
    this._misfitSeq = seq;
    this.transcript = EMPTY;
    return this._ask('misfit');
  }

  private _ask(why: 'gap' | 'cursor_ahead' | 'misfit'): Action {
    this.noteRequest();
    return { do: 'ask', why };
  }

  private _moveTo(state: Transcript): void {
    this._isAsking = false;
    this.transcript = state;
  }

  private _isAsking = false;
  private _misfitSeq = 0;
}
