/** Finds every cell of every notebook that is or will be open on the page. */
import { type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { type PanelLayout, type Widget } from '@lumino/widgets';

import { type CellWidget } from '../workspace/cells';

/** The part of JupyterLab's output model that this folder uses. */
export interface OutputsModel {
  readonly length: number;
  readonly changed: {
    connect(slot: (sender: unknown, change: OutputsChange) => void): boolean;
  };
  get(index: number): OutputModel;
  add(output: object): number;
}

export interface OutputModel {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface OutputsChange {
  readonly type: string;
}

/** Call `start` once for each cell, after its notebook is loaded. JupyterLab disposes of cells. */
export function watchCells(
  tracker: INotebookTracker,
  start: (panel: NotebookPanel, cell: CellWidget) => void
): void {
  const seenCells = new WeakSet<CellWidget>();
  const look = (panel: NotebookPanel): void => {
    for (const cell of panel.content.widgets) {
      if (!seenCells.has(cell)) {
        seenCells.add(cell);
        start(panel, cell);
      }
    }
  };
  const watch = (panel: NotebookPanel): void => {
    void panel.context.ready.then(() => {
      if (!panel.isDisposed) {
        panel.context.model.cells.changed.connect(() => look(panel));
        look(panel);
      }
    });
  };
  tracker.forEach(watch);
  tracker.widgetAdded.connect((_tracker, panel) => watch(panel));
}

/** The outputs of a code cell; null for a cell of another type. */
export function outputsOfCell(cell: CellWidget): OutputsModel | null {
  const { model } = cell;
  return 'outputs' in model ? (model.outputs as OutputsModel) : null;
}

/** Iterate over the outputs. Reading the type of a growing stream is cheap, reading its text is not. */
export function* eachOutput(outputs: OutputsModel): Generator<OutputModel> {
  for (let index = 0; index < outputs.length; index += 1) {
    yield outputs.get(index);
  }
}

/** Put a widget below the outputs of a cell, once the cell is drawn. */
export function addBelowOutputs(cell: CellWidget, widget: Widget): void {
  // The layout of a cell that was never drawn does not own the widget.
  cell.disposed.connect(() => widget.dispose());
  void cell.ready.then(() => {
    if (!cell.isDisposed && !widget.isDisposed) {
      const layout = cell.layout as PanelLayout;
      layout.insertWidget(layout.widgets.length - 1, widget); // the last one is the footer
    }
  });
}
