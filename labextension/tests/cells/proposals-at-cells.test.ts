// The bar of proposed edits below a notebook: what it takes of the page ends with it.
import { type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { beforeEach, expect, it, vi } from 'vitest';

import { ProposalsAtCells } from '../../src/cells/proposals-at-cells';
import { type Page } from '../../src/page/page';
import { type OpenProposal } from '../../src/workspace/open-proposals';
import { type Workspace } from '../../src/workspace/values';
import { ENGLISH } from '../fakes';

vi.mock('../../src/workspace/edits', () => ({ focusActiveCell: () => undefined })); // it would load all of JupyterLab

/** The observers that watch the size of something, each by what it does when that changes. */
const watching = new Set<() => void>();

class SizeObserver {
  constructor(private readonly _resized: () => void) {}
  observe(): void {
    watching.add(this._resized);
  }
  disconnect(): void {
    watching.delete(this._resized);
  }
}

const INPUT = {
  operation: 'propose',
  path: 'n.ipynb',
  versions: {},
  patch: [{ op: 'add', path: '/cells/0', value: { cell_type: 'code', source: 'x', id: 'new' } }]
};
const PROPOSAL = {
  threadId: 't',
  runId: 'r',
  requestId: 'q',
  isPartial: false,
  call: { tool_call_id: 'c', name: 'notebook', where: 'page', input: INPUT }
} as unknown as OpenProposal;

let open: readonly OpenProposal[];
let panel: NotebookPanel & { isDisposed: boolean };
let atCells: ProposalsAtCells;

beforeEach(() => {
  watching.clear();
  vi.stubGlobal('ResizeObserver', SizeObserver);
  open = [PROPOSAL];
  const isClosed = {};
  panel = {
    node: document.createElement('div'),
    isDisposed: false,
    fit: vi.fn(),
    content: { model: { readOnly: false }, widgets: [] },
    context: {
      path: 'n.ipynb',
      isReady: true,
      model: { contentChanged: new Signal(isClosed) }
    },
    disposed: new Signal(isClosed)
  } as unknown as typeof panel;
  const tracker = {
    currentWidget: null,
    find: (isIt: (one: NotebookPanel) => boolean) =>
      !panel.isDisposed && isIt(panel) ? panel : undefined
  } as unknown as INotebookTracker;
  const workspace = {
    proposals: { list: () => open, goTo: () => false },
    reviews: { show: () => undefined },
    openPath: (path: string) => path
  } as unknown as Workspace;
  const page = {
    threads: { find: () => undefined, files: null },
    services: { language: ENGLISH },
    ticker: null
  } as unknown as Page;
  const onFrame = (action: () => void): void => action();
  atCells = new ProposalsAtCells({ tracker, page, workspace, onFrame, reveal: () => undefined });
  atCells.updateSoon();
});

it('a bar keeps its row for as long as the proposal waits, and its observer ends with it', () => {
  const bar = panel.node.querySelector('.jp-ChatStream-proposalBar') as HTMLElement;
  Object.defineProperty(bar, 'offsetHeight', { value: 40 });
  watching.forEach(resized => resized());
  expect(panel.node.style.paddingBottom).toBe('40px');
  open = [];
  atCells.updateSoon();
  expect(watching.size).toBe(0);
  expect(panel.node.style.paddingBottom).toBe('0px');
});

it('a notebook that is closed takes the observers of its bars with it, and is laid out no more', () => {
  expect(watching.size).toBe(1);
  vi.mocked(panel.fit).mockClear();
  panel.isDisposed = true;
  (panel.disposed as Signal<object, void>).emit();
  expect(watching.size).toBe(0);
  expect(panel.fit).not.toHaveBeenCalled();
});
