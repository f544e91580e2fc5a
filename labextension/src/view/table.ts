/** The frame of a table. If the table is wider, the frame scrolls and Tab can reach it. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { own } from './drawing';
import { SUPPRESS_SHORTCUTS } from './keys';

export class TableFrame {
  readonly node = own('div', 'jp-ChatStream-table');

  constructor(table: HTMLTableElement, trans: TranslationBundle) {
    this._table = table;
    this._trans = trans;
    this.node.append(table);
    if (typeof ResizeObserver !== 'undefined') {
      this._observer = new ResizeObserver(() => this._measure());
      this._observer.observe(this.node);
      this._observer.observe(table);
    }
  }

  dispose(): void {
    this._observer?.disconnect();
  }

  private _measure(): void {
    const { node } = this;
    const isWider = node.scrollWidth > node.clientWidth;
    if (isWider) {
      node.tabIndex = 0;
      node.setAttribute('role', 'group');
      node.setAttribute('aria-label', this._table.caption?.textContent || this._trans.__('Table'));
      node.setAttribute(SUPPRESS_SHORTCUTS, 'true');
    } else {
      ['tabindex', 'role', 'aria-label', SUPPRESS_SHORTCUTS].forEach(name =>
        node.removeAttribute(name)
      );
    }
  }

  private readonly _table: HTMLTableElement;
  private readonly _trans: TranslationBundle;
  private readonly _observer: ResizeObserver | null = null;
}
