/**
 * Makes what scrolls sideways reachable by Tab, so that the arrow keys can scroll it.
 *
 * Something that does not scroll gets no place in the order of Tab. The browser measures after each
 * change of a size, so nothing is laid out in between.
 */
import { SUPPRESS_SHORTCUTS } from '../controls/keys';

export class SidewaysStop {
  /** `inner` is what may become wider than `node`; `label` is what a screen reader says. */
  constructor(
    private readonly _node: HTMLElement,
    inner: HTMLElement,
    private readonly _label: () => string
  ) {
    _node.setAttribute(SUPPRESS_SHORTCUTS, 'true');
    this._observer.observe(_node);
    this._observer.observe(inner);
  }

  dispose(): void {
    this._observer.disconnect();
  }

  private _measure(): void {
    const node = this._node;
    if (node.scrollWidth > node.clientWidth) {
      node.tabIndex = 0;
      node.setAttribute('role', 'group');
      node.setAttribute('aria-label', this._label());
    } else {
      ['tabindex', 'role', 'aria-label'].forEach(name => node.removeAttribute(name));
    }
  }

  private readonly _observer = new ResizeObserver(() => this._measure());
}
