/**
 * Shares the time of each frame among what is to be drawn, newest work first.
 *
 * Work is a generator: it yields after each small step, and goes on in a later frame when this
 * frame's time is used up. Bound: one work for each text on the page, and one for each queue.
 */

/** Time for drawing in one frame; the browser needs the rest for layout and for the user. */
export const BUDGET_MS = 8;

export type Work = Generator<void, void>;

export interface FrameTiming {
  readonly now: () => number;
  readonly onFrame: (action: () => void) => void;
  /** Runs when the frame that is being made has been laid out and painted. */
  readonly afterPaint: (action: () => void) => void;
}

interface RunningWork {
  readonly work: Work;
  readonly done: (cost_ms: number) => void;
  readonly failed: (reason: unknown) => void;
  cost_ms: number;
  isDone: boolean;
}

export class Frames {
  constructor(timing: FrameTiming) {
    this._timing = timing;
  }

  get now(): number {
    return this._timing.now();
  }

  /** Do this work; resolves with the time in ms that its longest frame took, painting included; rejects if it throws. */
  run(work: Work): Promise<number> {
    return new Promise((done, failed) => {
      this._running.push({ work, done, failed, cost_ms: 0, isDone: false });
      this._start();
    });
  }

  /** Wait for the first frame after so many ms. */
  rest(duration_ms: number): Promise<void> {
    const { now, onFrame } = this._timing;
    const until = now() + duration_ms;
    return new Promise(resolve => {
      const look = (): void => onFrame(() => (now() >= until ? resolve() : look()));
      look();
    });
  }

  private _start(): void {
    if (!this._isAsked) {
      this._isAsked = true;
      this._timing.onFrame(() => this._frame());
    }
  }

  private _frame(): void {
    const { now, afterPaint } = this._timing;
    const begun = now();
    const active = new Set<RunningWork>();
    for (let last = this._running.at(-1); last !== undefined; last = this._running.at(-1)) {
      active.add(last);
      this._step(last);
      if (now() - begun > BUDGET_MS) {
        break;
      }
    }
    afterPaint(() => {
      const cost_ms = now() - begun;
      active.forEach(running => {
        running.cost_ms = Math.max(running.cost_ms, cost_ms);
        if (running.isDone) {
          running.done(running.cost_ms);
        }
      });
    });
    this._isAsked = false;
    if (this._running.length > 0) {
      this._start();
    }
  }

  private _step(running: RunningWork): void {
    let isDone = true;
    try {
      isDone = running.work.next().done === true;
    } catch (reason) {
      running.failed(reason); // the other works go on
    }
    if (isDone) {
      running.isDone = true;
      this._running = this._running.filter(other => other !== running);
    }
  }

  private readonly _timing: FrameTiming;
  private _running: RunningWork[] = [];
  private _isAsked = false;
}
