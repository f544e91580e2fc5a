/** The frame of a table. If the table is wider, the frame scrolls and Tab can reach it. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { ownElement } from './nodes';
import { SidewaysStop } from './sideways';

export class TableFrame {
  readonly node = ownElement('div', 'jp-ChatStream-table');

  constructor(table: HTMLTableElement, trans: TranslationBundle) {
    this.node.append(table);
    const label = (): string => table.caption?.textContent || trans.__('Table');
    this._stop = new SidewaysStop(this.node, table, label);
  }

  dispose(): void {
    this._stop.dispose();
  }

  private readonly _stop: SidewaysStop;
}
