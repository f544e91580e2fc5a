/** Which thread a place shows. The side panel's is kept over a reload; a tab shows one for good. */

export interface Opened {
  readonly threadId: string;
  /** The message to scroll to; null for the place where the reader was. */
  readonly messageId: string | null;
}

export class OpenedThread {
  constructor(opened: Opened | null = null) {
    this._opened = opened;
  }

  readonly get = (): Opened | null => this._opened;

  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  };

  /** Show a thread; null shows the list only. */
  set(opened: Opened | null): void {
    this._opened = opened;
    [...this._listeners].forEach(listener => listener());
  }

  private readonly _listeners = new Set<() => void>();
  private _opened: Opened | null;
}
