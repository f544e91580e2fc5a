/**
 * Asks the server which threads exist: a few requests at a time, and one for each thread.
 *
 * A notebook may name hundreds of threads when it is opened. If the server does not respond, the page asks
 * again later, as long as a cell waits for the answer.
 */
import { type Api, ApiError } from '../connection/api';
import { type Clock } from '../connection/connection';

/** How many requests are made at once: a browser has six connections to a server. */
const AT_ONCE = 3;
const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 5 * 60_000;

export interface ThreadChecksOptions {
  readonly api: Api;
  readonly clock: Clock;
}

interface Check {
  readonly threadId: string;
  readonly waiting: Set<(isKnown: boolean) => void>;
  retry_ms: number;
}

export class ThreadChecks {
  constructor(options: ThreadChecksOptions) {
    this._options = options;
  }

  /** Call `onAnswer` once with whether the server has the thread. Returns a function that cancels this. */
  ask(threadId: string, onAnswer: (isKnown: boolean) => void): () => void {
    let check = this._checks.get(threadId);
    if (check === undefined) {
      check = { threadId, waiting: new Set(), retry_ms: FIRST_RETRY_MS };
      this._checks.set(threadId, check);
      this._queue.push(check);
    }
    const { waiting } = check;
    waiting.add(onAnswer);
    this._next();
    return () => waiting.delete(onAnswer);
  }

  private _next(): void {
    while (this._running < AT_ONCE) {
      const check = this._queue.shift();
      if (check === undefined) {
        return;
      }
      if (check.waiting.size === 0) {
        this._checks.delete(check.threadId); // the notebook was closed
        continue;
      }
      this._running += 1;
      void this._run(check).finally(() => {
        this._running -= 1;
        this._next();
      });
    }
  }

  private async _run(check: Check): Promise<void> {
    const isKnown = await this._isKnown(check.threadId);
    if (isKnown === null) {
      this._options.clock.later(() => {
        this._queue.push(check);
        this._next();
      }, check.retry_ms);
      check.retry_ms = Math.min(LONGEST_RETRY_MS, 2 * check.retry_ms);
      return;
    }
    this._checks.delete(check.threadId);
    check.waiting.forEach(onAnswer => onAnswer(isKnown));
  }

  /** Whether the server has the thread; null if the server did not respond. */
  private async _isKnown(threadId: string): Promise<boolean | null> {
    try {
      const path = `threads/${encodeURIComponent(threadId)}`;
      await this._options.api.request({ method: 'GET', path });
      return true;
    } catch (error) {
      const isAbsent = error instanceof ApiError && error.status === 404;
      return isAbsent ? false : null;
    }
  }

  private readonly _options: ThreadChecksOptions;
  private readonly _checks = new Map<string, Check>();
  private readonly _queue: Check[] = [];
  private _running = 0;
}
