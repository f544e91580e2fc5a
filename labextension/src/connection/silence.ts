/**
 * Detects a dead socket that nobody has closed, because it brings no frames.
 *
 * Owns two timers, for one socket at a time. All frames share one timer, which is cheaper than a timer for
 * each frame.
 */
import { type Clock } from './connection';

/** The server sends a frame at least every 20 s. */
export const SILENCE_MS = 45_000;

export class Silence {
  /** `onDead` is called when the socket counts as dead; the socket's owner then calls `end`. */
  constructor(clock: Clock, onDead: () => void) {
    this._clock = clock;
    this._onDead = onDead;
  }

  /** Whether the socket counts as dead. Compares times, because timers stop while the machine sleeps. */
  get isOver(): boolean {
    return this._clock.now() - this._heardAt > SILENCE_MS;
  }

  /** Listen to a new socket. */
  begin(): void {
    this.end();
    this.noteFrame();
    const check = (): void => {
      const remaining_ms = this._heardAt + SILENCE_MS - this._clock.now();
      if (remaining_ms <= 0) {
        this._onDead();
      } else {
        this._cancelCheck = this._clock.later(check, remaining_ms);
      }
    };
    this._cancelCheck = this._clock.later(check, SILENCE_MS);
  }

  /** Note that a frame has arrived. */
  noteFrame(): void {
    this._heardAt = this._clock.now();
    this._cancelDoubt?.();
    this._cancelDoubt = null;
  }

  /** Expect a frame within this time, because the page has sent a ping. */
  expectFrame(patience_ms: number): void {
    this._cancelDoubt?.();
    this._cancelDoubt = this._clock.later(() => {
      this._cancelDoubt = null;
      this._onDead();
    }, patience_ms);
  }

  end(): void {
    this._cancelCheck?.();
    this._cancelCheck = null;
    this._cancelDoubt?.();
    this._cancelDoubt = null;
  }

  private readonly _clock: Clock;
  private readonly _onDead: () => void;
  private _heardAt = 0;
  private _cancelCheck: (() => void) | null = null;
  private _cancelDoubt: (() => void) | null = null;
}
