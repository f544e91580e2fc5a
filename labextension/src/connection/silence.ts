/**
 * Notices that a socket is dead although nobody has closed it: it brings no frame.
 *
 * Owns two timers, for one socket at a time. One timer serves all frames, which is cheaper than a
 * timer for each.
 */
import { type Clock } from './connection';

/** The server sends a frame at least every 20 s. */
export const SILENCE_MS = 45_000;

export class Silence {
  /** `onDead` is called when the socket counts as dead; then whoever owns it calls `end`. */
  constructor(clock: Clock, onDead: () => void) {
    this._clock = clock;
    this._onDead = onDead;
  }

  /** Whether the socket has been silent for so long that it is dead. The clock may have stood still. */
  get isOver(): boolean {
    return this._clock.now() - this._heardAt > SILENCE_MS;
  }

  /** Listen to a new socket. */
  begin(): void {
    this.end();
    this.heard();
    const check = (): void => {
      const left = this._heardAt + SILENCE_MS - this._clock.now();
      if (left <= 0) {
        this._onDead();
      } else {
        this._cancelCheck = this._clock.later(check, left);
      }
    };
    this._cancelCheck = this._clock.later(check, SILENCE_MS);
  }

  /** A frame has come. */
  heard(): void {
    this._heardAt = this._clock.now();
    this._cancelDoubt?.();
    this._cancelDoubt = null;
  }

  /** A frame must come within this time, because the server was asked for one. */
  doubt(patience_ms: number): void {
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
