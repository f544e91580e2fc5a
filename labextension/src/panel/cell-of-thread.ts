/** Makes a notebook cell that shows a thread without being run: the output has the thread's address. */
import { type NotebookPanel } from '@jupyterlab/notebook';

import { MIME_TYPE } from '../protocol/address';

/** A code cell in the format of notebook files. */
interface ThreadCell {
  readonly cell_type: 'code';
  readonly source: string;
  readonly metadata: { readonly [key: string]: never };
  readonly execution_count: null;
  readonly outputs: {
    readonly output_type: 'display_data';
    readonly metadata: Readonly<Record<string, never>>;
    readonly data: Readonly<Record<string, unknown>>;
  }[];
}

/** Make the cell. Its code names the thread by id, which works in a kernel of any folder. */
export function cellOfThread(threadId: string, title: string): ThreadCell {
  const address = { [MIME_TYPE]: { thread: threadId }, 'text/plain': title };
  return {
    cell_type: 'code',
    source: `from jupyter_chat_stream import Chat\n\nChat(thread=${JSON.stringify(threadId)})`,
    metadata: {},
    execution_count: null,
    outputs: [{ output_type: 'display_data', metadata: {}, data: address }]
  };
}

/** Insert the cell below the active cell, as one undo step. */
export function insertCell(panel: NotebookPanel, cell: ThreadCell): void {
  const notebook = panel.content;
  const model = notebook.model?.sharedModel;
  if (model === undefined) {
    return;
  }
  const index = Math.min(notebook.activeCellIndex + 1, notebook.widgets.length);
  model.insertCell(index, cell as unknown as Parameters<typeof model.insertCell>[1]);
  notebook.activeCellIndex = index;
  const widget = notebook.widgets[index];
  if (widget !== undefined) {
    void notebook.scrollToItem(index);
  }
}
