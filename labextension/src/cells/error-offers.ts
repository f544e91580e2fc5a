/** Puts two buttons below an error in a notebook: Explain and Fix. */
import { type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { type CommandRegistry } from '@lumino/commands';
import { Widget } from '@lumino/widgets';
import { type TranslationBundle } from '@jupyterlab/translation';

import { plainButton } from '../view/controls/plain-button';
import { type CellWidget } from '../workspace/cells';
import { COMMANDS } from './explaining';
import {
  addBelowOutputs,
  eachOutput,
  type OutputsModel,
  outputsOfCell,
  watchCells
} from './watching';

export interface ErrorOffersOptions {
  readonly tracker: INotebookTracker;
  readonly commands: CommandRegistry;
  readonly trans: TranslationBundle;
  readonly areWanted: () => boolean;
  /** Calls `action` whenever the result of `areWanted` may have changed. */
  readonly onChange: (action: () => void) => void;
}

/** Show the buttons below each error, in all notebooks that are or will be open. */
export function offerAtErrors(options: ErrorOffersOptions): void {
  const offers = new Set<ErrorOffer>();
  options.onChange(() => offers.forEach(offer => offer.refresh()));
  watchCells(options.tracker, (panel, cell) => {
    const outputs = outputsOfCell(cell);
    if (outputs !== null) {
      const offer = new ErrorOffer(panel, cell, outputs, options);
      offers.add(offer);
      outputs.changed.connect(() => offer.refresh());
      cell.disposed.connect(() => offers.delete(offer));
      offer.refresh();
    }
  });
}

/** The buttons of one cell, shown while the cell shows an error. */
class ErrorOffer {
  constructor(
    panel: NotebookPanel,
    cell: CellWidget,
    outputs: OutputsModel,
    options: ErrorOffersOptions
  ) {
    this._panel = panel;
    this._cell = cell;
    this._outputs = outputs;
    this._options = options;
  }

  refresh(): void {
    if (this._cell.isDisposed) {
      return;
    }
    const isWanted = this._options.areWanted() && hasError(this._outputs);
    if (isWanted && this._bar === null) {
      this._bar = this._makeBar();
      addBelowOutputs(this._cell, this._bar);
    } else if (!isWanted) {
      this._bar?.dispose();
      this._bar = null;
    }
  }

  private _makeBar(): Widget {
    const { trans } = this._options;
    const bar = new Widget();
    bar.addClass('jp-ChatStream-errorOffer');
    bar.node.setAttribute('role', 'group');
    bar.node.setAttribute('aria-label', trans.__('Ask the chat about this error'));
    bar.node.append(
      this._button('explain-error', trans.__('Explain'), COMMANDS.explain),
      this._button('fix-error', trans.__('Fix'), COMMANDS.fix)
    );
    return bar;
  }

  private _button(testid: string, label: string, command: string): HTMLButtonElement {
    const node = plainButton(testid, label);
    node.addEventListener('keydown', event => event.stopPropagation());
    node.addEventListener('click', () => {
      const { path } = this._panel.context;
      const args = { path, cellId: this._cell.model.id };
      void this._options.commands.execute(command, args);
    });
    return node;
  }

  private readonly _panel: NotebookPanel;
  private readonly _cell: CellWidget;
  private readonly _outputs: OutputsModel;
  private readonly _options: ErrorOffersOptions;
  private _bar: Widget | null = null;
}

function hasError(outputs: OutputsModel): boolean {
  for (const { type } of eachOutput(outputs)) {
    if (type === 'error') {
      return true;
    }
  }
  return false;
}
