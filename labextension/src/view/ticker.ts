/**
 * The page's one timer for texts that show a time: countdowns, "in 4 min", "today".
 *
 * A listener is called at each full step (a second, a minute) of its own. Without listeners no timer
 * runs. Only chats that can be seen listen: see `useNow`.
 */
import { type Clock } from '../connection/connection';

type Listener = (now_ms: number) => void;

export class Ticker {
  constructor(private readonly _clock: Clock) {}

  get now(): number {
    return this._clock.now();
  }

  /** Call `listener` at each full `step_ms` from now on; the function returned ends it. */
  listen(step_ms: number, listener: Listener): () => void {
    const entry = { step_ms, listener, due_ms: after(this.now, step_ms) };
    this._entries.add(entry);
    this._schedule();
    return () => {
      this._entries.delete(entry);
      this._schedule();
    };
  }

  private _schedule(): void {
    this._cancel?.();
    this._cancel = null;
    if (this._entries.size > 0) {
      const next_ms = Math.min(...[...this._entries].map(entry => entry.due_ms));
      this._cancel = this._clock.later(() => this._tick(), Math.max(0, next_ms - this.now));
    }
  }

  private _tick(): void {
    const now_ms = this.now;
    for (const entry of [...this._entries]) {
      if (entry.due_ms <= now_ms) {
        entry.due_ms = after(now_ms, entry.step_ms);
        entry.listener(now_ms);
      }
    }
    this._schedule();
  }

  private readonly _entries = new Set<{ step_ms: number; listener: Listener; due_ms: number }>();
  private _cancel: (() => void) | null = null;
}

function after(now_ms: number, step_ms: number): number {
  return (Math.floor(now_ms / step_ms) + 1) * step_ms;
}
