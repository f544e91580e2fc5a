/** Whether a chat can be seen: it is on the screen, and its browser tab is in front. */

export class Visibility {
  constructor(host: HTMLElement) {
    if (typeof IntersectionObserver !== 'undefined') {
      this._isOnScreen = false;
      this._observer = new IntersectionObserver(entries => {
        this._isOnScreen = entries.at(-1)?.isIntersecting === true;
        this._check();
      });
      this._observer.observe(host);
    }
    document.addEventListener('visibilitychange', this._check);
    this._check();
  }

  readonly get = (): boolean => this._isSeen;

  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  };

  dispose(): void {
    this._observer?.disconnect();
    document.removeEventListener('visibilitychange', this._check);
    this._listeners.clear();
  }

  private readonly _check = (): void => {
    const isSeen = this._isOnScreen && document.visibilityState !== 'hidden';
    if (isSeen !== this._isSeen) {
      this._isSeen = isSeen;
      this._listeners.forEach(listener => listener());
    }
  };

  private readonly _observer: IntersectionObserver | null = null;
  private readonly _listeners = new Set<() => void>();
  private _isOnScreen = true;
  private _isSeen = false;
}
