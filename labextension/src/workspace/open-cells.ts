/** An open notebook as proposals are checked against it, without the outputs, which may be large. */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { type CheckedCells } from './misfits';

export function openCells(panel: NotebookPanel): CheckedCells {
  const { model, widgets } = panel.content;
  return {
    obstacle: model === null || model.readOnly ? 'readonly' : null,
    cells: widgets.map(({ model: { id, sharedModel } }) => ({
      id,
      // Read only for the cells of a proposal: this is asked for with every change of the notebook.
      get source() {
        return sharedModel.getSource();
      },
      get metadata() {
        return sharedModel.getMetadata();
      }
    })),
    isRunning: cell => isRunning(panel, cell)
  };
}

/** Whether a cell runs: JupyterLab before 4.3 tells it by the prompt only. */
export function isRunning({ content }: NotebookPanel, cell: string): boolean {
  const widget = content.widgets.find(({ model }) => model.id === cell);
  const shared = widget?.model.sharedModel;
  const isKnown = shared !== undefined && 'executionState' in shared;
  return (
    (isKnown && shared.executionState === 'running') ||
    widget?.promptNode?.textContent?.includes('*') === true
  );
}
