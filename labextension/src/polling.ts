/**
 * Following by long polls, for where no WebSocket passes: the same frames, one request at a time.
 *
 *     off ──start──► trying ──an answer──► working
 *      ▲                │                     │
 *      └────────────────┴── no answer, stop ──┘
 *
 * A browser opens six connections to a host and the page needs some for itself, so all threads share
 * two: one waits for news of the thread that had some last, the other looks at the rest in turn. What
 * comes goes through each thread's own subscription (L6); an answer to an old cursor is dropped.
 */
import { ApiError } from './commands';
import { type Clock } from './connection';
import { parsePage } from './parse';
import { type ThreadFrame } from './protocol';

/** Ask for what comes after a cursor, waiting up to `wait_s` for it. @throws ApiError */
export type Poll = (
  threadId: string,
  after: number,
  wait_s: number,
  signal: AbortSignal
) => Promise<unknown>;

/** A thread that is followed, as far as polling goes. */
export interface Polled {
  readonly threadId: string;
  readonly transcript: { readonly seq: number };
  readonly ended: unknown;
  receive(frame: ThreadFrame): void;
}

export interface PollingOptions {
  readonly poll: Poll;
  readonly clock: Clock;
  readonly threads: () => readonly Polled[];
  /** The first answer came: following works. */
  readonly onWorking: () => void;
  /** No answer: polling has stopped. */
  readonly onFailed: (error: ApiError) => void;
}

const WAIT_S = 20;
/** Between two polls of the thread that has news: as often as eyes notice, no more. */
const PAUSE_MS = 100;
/** Between two looks at the other threads. */
const ROUND_MS = 1_500;

/** One stretch of polling, from start to stop. */
interface Stretch {
  isOver: boolean;
  readonly waits: Set<() => void>;
  readonly aborts: Set<AbortController>;
}

export class Polling {
  constructor(options: PollingOptions) {
    this._options = options;
  }

  get isWorking(): boolean {
    return this._isWorking;
  }

  start(): void {
    if (this._stretch === null && this._threads().length > 0) {
      this._stretch = { isOver: false, waits: new Set(), aborts: new Set() };
      void this._begin(this._stretch);
    }
  }

  stop(): void {
    const stretch = this._stretch;
    this._stretch = null;
    this._isWorking = false;
    if (stretch !== null) {
      stretch.isOver = true;
      stretch.aborts.forEach(abort => abort.abort());
      stretch.waits.forEach(wake => wake());
    }
  }

  /** Look at the threads now: one was added, or is to be asked for again. */
  look(): void {
    this._stretch?.waits.forEach(wake => wake());
  }

  private async _begin(stretch: Stretch): Promise<void> {
    for (const thread of this._threads()) {
      await this._ask(stretch, thread, 0);
    }
    if (!stretch.isOver) {
      void this._stay(stretch);
      void this._goRound(stretch);
    }
  }

  /** Wait for news of the thread that had some last. */
  private async _stay(stretch: Stretch): Promise<void> {
    while (!stretch.isOver) {
      const thread = this._newest();
      if (thread !== undefined) {
        await this._ask(stretch, thread, WAIT_S);
      }
      await this._pause(stretch, thread === undefined ? ROUND_MS : PAUSE_MS);
    }
  }

  /** Look at the others in turn. */
  private async _goRound(stretch: Stretch): Promise<void> {
    while (!stretch.isOver) {
      await this._pause(stretch, ROUND_MS);
      for (const thread of this._threads()) {
        if (!stretch.isOver && thread !== this._newest() && (await this._ask(stretch, thread, 0))) {
          this._newestId = thread.threadId;
          stretch.aborts.forEach(abort => abort.abort());
        }
      }
    }
  }

  private _threads(): readonly Polled[] {
    return this._options.threads().filter(thread => thread.ended === null);
  }

  private _newest(): Polled | undefined {
    const threads = this._threads();
    return threads.find(thread => thread.threadId === this._newestId) ?? threads[0];
  }

  /** Ask once and deliver the answer; say whether it brought news. */
  private async _ask(stretch: Stretch, thread: Polled, wait_s: number): Promise<boolean> {
    const after = thread.transcript.seq;
    const abort = new AbortController();
    stretch.aborts.add(abort);
    try {
      const page = await this._options.poll(thread.threadId, after, wait_s, abort.signal);
      if (stretch.isOver) {
        return false;
      }
      this._works();
      return deliver(thread, after, parsePage(thread.threadId, page));
    } catch (error) {
      if (!stretch.isOver && !abort.signal.aborted) {
        this._refused(thread, after, error);
      }
      return false;
    } finally {
      stretch.aborts.delete(abort);
    }
  }

  private _works(): void {
    if (!this._isWorking) {
      this._isWorking = true;
      this._options.onWorking();
    }
  }

  private _refused(thread: Polled, after: number, error: unknown): void {
    const failure = asApiError(error);
    if (isOfThread(failure)) {
      const { code, message } = failure;
      deliver(thread, after, [{ op: 'error', thread: thread.threadId, error: { code, message } }]);
    } else {
      this.stop();
      this._options.onFailed(failure);
    }
  }

  private _pause(stretch: Stretch, delay_ms: number): Promise<void> {
    return new Promise(resolve => {
      if (stretch.isOver) {
        resolve();
        return;
      }
      const wake = (): void => {
        cancel();
        stretch.waits.delete(wake);
        resolve();
      };
      const cancel = this._options.clock.later(wake, delay_ms);
      stretch.waits.add(wake);
    });
  }

  private readonly _options: PollingOptions;
  private _stretch: Stretch | null = null;
  private _isWorking = false;
  private _newestId = '';
}

/** Give a thread what answers its cursor; an answer to one that has moved on is dropped. */
function deliver(thread: Polled, after: number, frames: readonly ThreadFrame[]): boolean {
  if (thread.transcript.seq !== after || thread.ended !== null) {
    return false;
  }
  frames.forEach(frame => thread.receive(frame));
  return thread.transcript.seq !== after;
}

/** Whether our server has refused this thread, rather than that no answer of ours came. */
function isOfThread(error: ApiError): boolean {
  return (
    [400, 403, 404, 409, 410].includes(error.status) &&
    !['foreign', 'login_ended'].includes(error.code)
  );
}

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, 'foreign', 'The answer is not ours.');
}
