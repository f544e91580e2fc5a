/**
 * Shares the time of each frame among the texts to draw, newest first.
 *
 * Work is a generator that yields after each small step. When the frame's time is used up, the work
 * continues in a later frame. Bound: one work for each text on the page, and one for each queue.
 */

/** The most time for drawing in one frame; the browser needs the rest for layout and input. */
export const BUDGET_MS = 8;
const LEAST_BUDGET_MS = 2;
/** After a frame this long, layout and painting included, the next frame draws half as much. */
const LONG_FRAME_MS = 50;

export type Work = Generator<void, void>;

interface FrameTiming {
  readonly now: () => number;
  readonly onFrame: (action: () => void) => void;
  /** Runs `action` once the current frame has been laid out and painted. */
  readonly afterPaint: (action: () => void) => void;
}

interface RunningWork {
  readonly work: Work;
  readonly resolve: (cost_ms: number) => void;
  readonly reject: (reason: unknown) => void;
  cost_ms: number;
  isDone: boolean;
}

export class Frames {
  constructor(private readonly _timing: FrameTiming) {}

  get now(): number {
    return this._timing.now();
  }

  /** Do this work. Resolves to the ms of its longest frame, painting included; rejects if it throws. */
  run(work: Work): Promise<number> {
    return new Promise((resolve, reject) => {
      this._running.push({ work, resolve, reject, cost_ms: 0, isDone: false });
      this._start();
    });
  }

  /** Resolves once the current frame has been laid out and painted. */
  untilPainted(): Promise<void> {
    return new Promise(resolve => this._timing.afterPaint(resolve));
  }

  /** Resolves in the first frame after `duration_ms`. */
  rest(duration_ms: number): Promise<void> {
    const { now, onFrame } = this._timing;
    const until = now() + duration_ms;
    return new Promise(resolve => {
      const wait = (): void => onFrame(() => (now() >= until ? resolve() : wait()));
      wait();
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
    const start_ms = now();
    const active = new Set<RunningWork>();
    for (let last = this._running.at(-1); last !== undefined; last = this._running.at(-1)) {
      active.add(last);
      this._step(last);
      if (now() - start_ms > this._budget_ms) {
        break;
      }
    }
    afterPaint(() => {
      const cost_ms = now() - start_ms;
      this._adapt(cost_ms);
      active.forEach(running => {
        running.cost_ms = Math.max(running.cost_ms, cost_ms);
        if (running.isDone) {
          running.resolve(running.cost_ms);
        }
      });
    });
    this._isAsked = false;
    if (this._running.length > 0) {
      this._start();
    }
  }

  /** Draw less in the next frame if the browser needed long for this one: a long list, a table. */
  private _adapt(cost_ms: number): void {
    this._budget_ms =
      cost_ms > LONG_FRAME_MS
        ? Math.max(LEAST_BUDGET_MS, this._budget_ms / 2)
        : Math.min(BUDGET_MS, this._budget_ms * 2);
  }

  private _step(running: RunningWork): void {
    let isDone = true;
    try {
      isDone = running.work.next().done === true;
    } catch (reason) {
      running.reject(reason); // the other works go on
    }
    if (isDone) {
      running.isDone = true;
      this._running = this._running.filter(other => other !== running);
    }
  }

  private _running: RunningWork[] = [];
  private _isAsked = false;
  private _budget_ms = BUDGET_MS;
}
