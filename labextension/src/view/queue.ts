/**
 * Spreads the rendering of old text over frames, newest message first.
 *
 * Bound: as many jobs as there are blocks on the page; an owner that is disposed takes its jobs along.
 * Streaming text does not go through here.
 */

const BUDGET_MS = 8;

export interface Lane {
  readonly add: (job: () => Promise<void>) => void;
  readonly dispose: () => void;
}

export class RenderQueue {
  constructor(onFrame: (action: () => void) => void, now: () => number) {
    this._onFrame = onFrame;
    this._now = now;
  }

  /** Open a lane: its jobs run in order; of all lanes, the one opened last comes first. */
  lane(): Lane {
    const jobs: (() => Promise<void>)[] = [];
    this._lanes.push(jobs);
    return {
      add: job => {
        jobs.push(job);
        this._start();
      },
      dispose: () => {
        jobs.length = 0;
        this._lanes = this._lanes.filter(lane => lane !== jobs);
      }
    };
  }

  private _start(): void {
    if (!this._isRunning) {
      this._isRunning = true;
      this._onFrame(() => void this._run());
    }
  }

  private async _run(): Promise<void> {
    const begun = this._now();
    for (let job = this._next(); job !== undefined; job = this._next()) {
      await job();
      if (this._now() - begun > BUDGET_MS) {
        this._onFrame(() => void this._run());
        return;
      }
    }
    this._isRunning = false;
  }

  private _next(): (() => Promise<void>) | undefined {
    for (let index = this._lanes.length - 1; index >= 0; index -= 1) {
      const job = this._lanes[index]?.shift();
      if (job !== undefined) {
        return job;
      }
    }
    return undefined;
  }

  private readonly _onFrame: (action: () => void) => void;
  private readonly _now: () => number;
  private _lanes: (() => Promise<void>)[][] = [];
  private _isRunning = false;
}
