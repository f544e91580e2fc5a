/** The cells of an open notebook for the check of proposals, without the outputs, which may be large. */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { type CheckedCells } from './misfits';

export function openCells(panel: NotebookPanel): CheckedCells {
  const { model, widgets } = panel.content;
  return {
    obstacle: model === null || model.readOnly ? 'readonly' : null,
    cells: widgets.map(({ model: { id, sharedModel } }) => ({
      id,
      // A getter, because this runs at every change of the notebook and only a proposal's cells need it.
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

/** Whether a cell runs. JupyterLab before 4.3 shows it only by the prompt. */
export function isRunning({ content }: NotebookPanel, cell: string): boolean {
  const widget = content.widgets.find(({ model }) => model.id === cell);
  const shared = widget?.model.sharedModel;
  const isKnown = shared !== undefined && 'executionState' in shared;
  return (
    (isKnown && shared.executionState === 'running') ||
    widget?.promptNode?.textContent?.includes('*') === true
  );
}
