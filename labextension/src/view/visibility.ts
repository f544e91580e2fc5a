/** Whether a chat can be seen: it is on the screen, and its browser tab is in front. */
import { Store } from '../state/store';

export class Visibility extends Store<boolean> {
  constructor(host: HTMLElement) {
    super(false);
    this._observer.observe(host);
    document.addEventListener('visibilitychange', this._check);
    this._check();
  }

  dispose(): void {
    this._observer.disconnect();
    document.removeEventListener('visibilitychange', this._check);
    this._listeners.clear();
  }

  private readonly _check = (): void => {
    const isSeen = this._isOnScreen && document.visibilityState !== 'hidden';
    if (isSeen !== this._state) {
      this._replace(isSeen);
    }
  };

  private readonly _observer = new IntersectionObserver(entries => {
    this._isOnScreen = entries.at(-1)?.isIntersecting === true;
    this._check();
  });
  private _isOnScreen = false;
}
