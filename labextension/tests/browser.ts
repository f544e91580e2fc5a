// What jsdom lacks of a browser. Nothing has a size, so all that is observed is on the screen.
type Notify = (entries: readonly object[]) => void;

class Observer {
  constructor(private readonly _notify: Notify) {}

  observe(_target: Element): void {}
  unobserve(): void {}
  disconnect(): void {}

  protected seen(target: Element): void {
    this._notify([{ target, isIntersecting: true }]);
  }
}

class SightObserver extends Observer {
  override observe(target: Element): void {
    this.seen(target);
  }
}

Object.assign(globalThis, {
  ResizeObserver: Observer,
  IntersectionObserver: SightObserver,
  CSS: { supports: () => false }
});
if (typeof Element !== 'undefined') {
  Element.prototype.scrollIntoView = () => undefined;
}
