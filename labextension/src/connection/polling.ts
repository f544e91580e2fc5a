/**
 * Follows threads by long polls, for networks that block WebSockets.
 *
 *     off ──start──► trying ──a response──► working
 *      ▲                │                      │
 *      └────────────────┴── no response, stop ─┘
 *
 * A browser opens six connections to a host, and the page needs some of them, so all threads share two. One
 * long poll waits for the thread with the latest news; short polls request the other threads one after the
 * other. Each thread's own subscription receives the frames (L6). A response to an old cursor is dropped.
 */
import { parsePage } from '../protocol/parse';
import { type ThreadFrame } from '../protocol/records';
import { ApiError } from './api';
import { type Clock } from './connection';

/** Request the events after a cursor, waiting up to `wait_s` for the first. @throws ApiError */
export type Poll = (
  threadId: string,
  after: number,
  wait_s: number,
  signal: AbortSignal
) => Promise<unknown>;

/** A followed thread, as polling sees it. */
interface PolledThread {
  readonly threadId: string;
  readonly transcript: { readonly seq: number };
  readonly end: unknown;
  receive(frame: ThreadFrame): void;
}

interface PollingOptions {
  readonly poll: Poll;
  readonly clock: Clock;
  readonly threads: () => readonly PolledThread[];
  /** Called with the first response after `start`. */
  readonly onWorking: () => void;
  /** Called when a poll failed and polling has stopped. */
  readonly onFailed: (error: ApiError) => void;
}

const WAIT_S = 20;
/** The pause between two polls of the thread with news. People do not notice faster changes. */
const PAUSE_MS = 100;
/** The pause between two rounds of the other threads. */
const ROUND_MS = 1_500;

/** One period of polling, from `start` to `stop`. */
interface PollingPeriod {
  isOver: boolean;
  readonly waits: Set<() => void>;
  readonly aborts: Set<AbortController>;
}

export class Polling {
  constructor(private readonly _options: PollingOptions) {}

  get isWorking(): boolean {
    return this._isWorking;
  }

  start(): void {
    if (this._period === null && this._threads().length > 0) {
      this._period = { isOver: false, waits: new Set(), aborts: new Set() };
      void this._begin(this._period);
    }
  }

  stop(): void {
    const period = this._period;
    this._period = null;
    this._isWorking = false;
    if (period !== null) {
      period.isOver = true;
      period.aborts.forEach(abort => abort.abort());
      period.waits.forEach(wake => wake());
    }
  }

  /** Poll now, because a thread was added or must be requested again. */
  wake(): void {
    this._period?.waits.forEach(wake => wake());
  }

  private async _begin(period: PollingPeriod): Promise<void> {
    for (const thread of this._threads()) {
      await this._ask(period, thread, 0);
    }
    if (!period.isOver) {
      void this._pollNewest(period);
      void this._goRound(period);
    }
  }

  /** Poll the thread with the latest news repeatedly. */
  private async _pollNewest(period: PollingPeriod): Promise<void> {
    while (!period.isOver) {
      const thread = this._newest();
      if (thread !== undefined) {
        await this._ask(period, thread, WAIT_S);
      }
      await this._pause(period, thread === undefined ? ROUND_MS : PAUSE_MS);
    }
  }

  /** Poll the other threads, one after the other. */
  private async _goRound(period: PollingPeriod): Promise<void> {
    while (!period.isOver) {
      await this._pause(period, ROUND_MS);
      for (const thread of this._threads()) {
        if (!period.isOver && thread !== this._newest() && (await this._ask(period, thread, 0))) {
          this._newestId = thread.threadId;
          period.aborts.forEach(abort => abort.abort());
        }
      }
    }
  }

  private _threads(): readonly PolledThread[] {
    return this._options.threads().filter(thread => thread.end === null);
  }

  private _newest(): PolledThread | undefined {
    const threads = this._threads();
    return threads.find(thread => thread.threadId === this._newestId) ?? threads[0];
  }

  /** Poll a thread once and deliver the response. Returns whether it brought news. */
  private async _ask(
    period: PollingPeriod,
    thread: PolledThread,
    wait_s: number
  ): Promise<boolean> {
    const after = thread.transcript.seq;
    const abort = new AbortController();
    period.aborts.add(abort);
    try {
      const page = await this._options.poll(thread.threadId, after, wait_s, abort.signal);
      if (period.isOver) {
        return false;
      }
      this._noteWorking();
      return deliver(thread, after, parsePage(thread.threadId, page));
    } catch (error) {
      if (!period.isOver && !abort.signal.aborted) {
        this._onRefusal(thread, after, error);
      }
      return false;
    } finally {
      period.aborts.delete(abort);
    }
  }

  private _noteWorking(): void {
    if (!this._isWorking) {
      this._isWorking = true;
      this._options.onWorking();
    }
  }

  private _onRefusal(thread: PolledThread, after: number, error: unknown): void {
    const failure = asApiError(error);
    if (isOfThread(failure)) {
      const { code, message } = failure;
      deliver(thread, after, [{ op: 'error', thread: thread.threadId, error: { code, message } }]);
    } else {
      this.stop();
      this._options.onFailed(failure);
    }
  }

  private _pause(period: PollingPeriod, delay_ms: number): Promise<void> {
    return new Promise(resolve => {
      if (period.isOver) {
        resolve();
        return;
      }
      const wake = (): void => {
        cancel();
        period.waits.delete(wake);
        resolve();
      };
      const cancel = this._options.clock.later(wake, delay_ms);
      period.waits.add(wake);
    });
  }

  private _period: PollingPeriod | null = null;
  private _isWorking = false;
  private _newestId = '';
}

/** Deliver frames to a thread whose cursor is still `after`. Returns whether its cursor moved. */
function deliver(thread: PolledThread, after: number, frames: readonly ThreadFrame[]): boolean {
  if (thread.transcript.seq !== after || thread.end !== null) {
    return false;
  }
  frames.forEach(frame => thread.receive(frame));
  return thread.transcript.seq !== after;
}

/** Whether our server refused this thread; other errors concern all threads of the page. */
function isOfThread(error: ApiError): boolean {
  return (
    [400, 403, 404, 409, 410].includes(error.status) &&
    !['foreign', 'login_ended'].includes(error.code)
  );
}

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError
    ? error
    : new ApiError(0, 'foreign', 'A poll failed on this page.');
}
