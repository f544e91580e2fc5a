/** The cells of an open notebook, read from its model. */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { errorOf, outputTexts } from './outputs';
import { type LiveCell } from './live-context';
import { type CellError, type CellKind, type CellOutput } from './values';

/** The widget of a cell of a notebook. */
export type CellWidget = NotebookPanel['content']['widgets'][number];

/** The widget of a notebook's cell, and its index. */
export interface FoundCell {
  readonly widget: CellWidget;
  readonly index: number;
}

export function findCell(panel: NotebookPanel, cellId: string | null): FoundCell | null {
  const { widgets } = panel.content;
  const index = widgets.findIndex(cell => cell.model.id === cellId);
  const widget = widgets[index];
  return widget === undefined ? null : { widget, index };
}

/** A cell as it is now. The getters read its outputs from the notebook. */
export class CellView implements LiveCell {
  constructor(panel: NotebookPanel, { widget, index }: FoundCell) {
    const { model } = widget;
    this.path = panel.context.path;
    this.cellId = model.id;
    this.index = index;
    this.kind = model.type as CellKind;
    this.source = model.sharedModel.getSource();
    this.executionCount = countOf(model);
    this._model = model;
  }

  get outputs(): readonly CellOutput[] {
    return outputTexts(outputsOf(this._model));
  }

  /**
   * Whether the cell shows an error. Reads no output texts, because the text of a growing stream is costly.
   */
  get hasError(): boolean {
    return typesOf(this._model).includes('error');
  }

  get error(): CellError | null {
    return errorOf(outputsOf(this._model));
  }

  readonly path: string;
  readonly cellId: string;
  readonly index: number;
  readonly kind: CellKind;
  readonly source: string;
  readonly executionCount: number | null;
  private readonly _model: object;
}

function countOf(model: object): number | null {
  const count = 'executionCount' in model ? model.executionCount : null;
  return typeof count === 'number' ? count : null;
}

/** The types of a cell's outputs, such as `stream` and `error`. */
function typesOf(model: object): readonly string[] {
  const outputs = 'outputs' in model ? (model.outputs as Partial<OutputTypes>) : {};
  const { length = 0 } = outputs;
  return Array.from({ length }, (_none, index) => outputs.get?.(index).type ?? '');
}

interface OutputTypes {
  readonly length: number;
  get(index: number): { readonly type: string };
}

/** The outputs of a cell's model as a notebook file has them; empty for a cell without outputs. */
export function outputsOf(model: object): readonly unknown[] {
  if (!('outputs' in model)) {
    return [];
  }
  const outputs = model.outputs as { toJSON?: () => unknown };
  const values = outputs.toJSON?.();
  return Array.isArray(values) ? values : [];
}
