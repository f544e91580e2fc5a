/**
 * Shows proposed edits in their notebook: a diff at each cell, and a bar below all cells. Loaded with the
 * first proposal.
 *
 * The diffs are no part of the document, so they are never saved. They disappear when a person answers the
 * question, in this page or elsewhere (L13).
 */
import { type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';

import { type Page } from '../page/page';
import { type CellChange, changesOf } from '../workspace/cell-changes';
import { type CellPlace } from '../workspace/cell-edits';
import { type CellWidget } from '../workspace/cells';
import { focusActiveCell } from '../workspace/edits';
import { openCells } from '../workspace/open-cells';
import { type OpenProposal } from '../workspace/open-proposals';
import { type Proposal } from '../workspace/patches';
import { proposalOf } from '../workspace/proposal-calls';
import { type Workspace } from '../workspace/values';
import { draw } from './proposal-view';

/** An open proposal with the edits that were read from its call. */
export type ReadProposal = OpenProposal & Proposal;

/** A diff or a bar, drawn into one node of a notebook. */
export interface ProposalNode {
  readonly node: HTMLElement;
  show(proposal: ShownProposal): void;
  dispose(): void;
}

/** A proposal to draw: with `change`, the diff at that cell; without it, the bar. */
export interface ShownProposal {
  readonly proposal: ReadProposal;
  readonly changes: readonly CellChange[];
  readonly change: CellChange | null;
  /** Move the focus to the diff of a cell. */
  readonly go: (cell: string) => void;
}

export interface ProposalOptions {
  readonly tracker: INotebookTracker;
  readonly page: Page;
  readonly workspace: Workspace;
  /** Calls `action` once, before the next frame is drawn. */
  readonly onFrame: (action: () => void) => void;
  /** Brings a notebook to the front. */
  readonly reveal: (panelId: string) => void;
}

export class ProposalsAtCells {
  constructor(private readonly _options: ProposalOptions) {
    _options.workspace.proposals.goTo = () => this._goToBar();
  }

  /** Draw again before the next frame, because a proposal, a notebook or a cell has changed. */
  readonly updateSoon = (): void => {
    const isDrawn = this._views.size > 0;
    if (!this._isWaiting && (isDrawn || this._options.workspace.proposals.list().length > 0)) {
      this._isWaiting = true;
      this._options.onFrame(() => {
        this._isWaiting = false;
        this._update();
      });
    }
  };

  private _update(): void {
    const keys = new Set<string>();
    for (const open of this._options.workspace.proposals.list()) {
      const proposal = proposalOf(open.call);
      const panel = proposal === null ? null : this._panelOf(proposal);
      if (proposal !== null && panel !== null) {
        this._watch(panel);
        this._draw(panel, { ...open, ...proposal }, keys);
      }
    }
    for (const [key, { view, panel }] of this._views) {
      if (!keys.has(key)) {
        this._views.delete(key);
        this._remove(view, panel);
      }
    }
  }

  /** Remove a diff or a bar; if it has the focus, move the focus to the notebook. */
  private _remove(view: ProposalNode, panel: NotebookPanel): void {
    const hasFocus = view.node.contains(document.activeElement);
    view.dispose();
    if (hasFocus && !panel.isDisposed) {
      focusActiveCell(panel);
    }
  }

  private _panelOf(proposal: Proposal): NotebookPanel | null {
    const { tracker, workspace } = this._options;
    const path = workspace.openPath(proposal.path);
    const isIt = (panel: NotebookPanel): boolean => panel.context.path === path;
    const { currentWidget } = tracker;
    const panel =
      currentWidget !== null && isIt(currentWidget) ? currentWidget : (tracker.find(isIt) ?? null);
    return panel?.context.isReady === true && panel.content.model !== null ? panel : null;
  }

  private _draw(panel: NotebookPanel, proposal: ReadProposal, keys: Set<string>): void {
    const { widgets } = panel.content;
    const changes = changesOf(proposal.edits, openCells(panel));
    this._options.workspace.reviews.show(proposal.requestId, changes);
    const go = (cell: string): void => this._go(panel, proposal, cell);
    for (const change of changes) {
      const spot = spotOf(change, changes, widgets);
      if (spot !== null && isDrawable(spot.widget, this.updateSoon)) {
        const key = keyOf(proposal, change.cell);
        keys.add(key);
        const view = this._viewFor(key, panel, spot);
        view.show({ proposal, changes, change, go });
      }
    }
    const key = keyOf(proposal, null);
    keys.add(key);
    const bar = this._viewFor(key, panel, null);
    bar.show({ proposal, changes, change: null, go });
  }

  /** The diff or bar of a key; drawn again if the widget of its cell was replaced. */
  private _viewFor(key: string, panel: NotebookPanel, spot: Spot | null): ProposalNode {
    const parent = spot?.widget.node ?? panel.node;
    const before = this._views.get(key);
    if (before !== undefined && before.view.node.parentElement === parent) {
      return before.view;
    }
    before?.view.dispose();
    const { page } = this._options;
    const view = spot === null ? withRow(panel, draw(page, 'bar')) : draw(page, 'cell');
    parent.insertBefore(view.node, spot === null ? null : nodeBelow(spot));
    this._views.set(key, { view, panel });
    return view;
  }

  /** Focus the first button of a bar, which moves to the first change. */
  private _goToBar(): boolean {
    const bars = this._options.workspace.proposals.list().map(open => keyOf(open, null));
    const bar = bars.map(key => this._views.get(key)).find(entry => entry !== undefined);
    if (bar !== undefined) {
      this._options.reveal(bar.panel.id);
      this._options.onFrame(() => bar.view.node.querySelector('button')?.focus());
    }
    return bar !== undefined;
  }

  private _go(panel: NotebookPanel, proposal: ReadProposal, cell: string): void {
    const node = this._views.get(keyOf(proposal, cell))?.view.node;
    const index = panel.content.widgets.findIndex(widget => widget.node.contains(node ?? null));
    if (node !== undefined && index >= 0) {
      const scrolling = panel.content.scrollToItem(index, 'smart');
      const focus = (): void => node.querySelector<HTMLElement>('button, [tabindex]')?.focus();
      scrolling.then(focus, focus);
    }
  }

  /** Draw again when a cell of a notebook changes or is replaced. */
  private _watch(panel: NotebookPanel): void {
    if (!this._watchedPanels.has(panel)) {
      this._watchedPanels.add(panel);
      panel.context.model.contentChanged.connect(this.updateSoon);
      panel.disposed.connect(this.updateSoon);
    }
  }

  private readonly _views = new Map<
    string,
    { readonly view: ProposalNode; readonly panel: NotebookPanel }
  >();
  private readonly _watchedPanels = new WeakSet<NotebookPanel>();
  private _isWaiting = false;
}

/** Reserve space for a bar below the cells, so that it hides nothing; disposing the bar frees the space. */
function withRow(panel: NotebookPanel, bar: ProposalNode): ProposalNode {
  const fit = (): void => {
    const bars = panel.node.querySelectorAll<HTMLElement>(':scope > .jp-ChatStream-proposalBar');
    const heights = [...bars].map(node => node.offsetHeight);
    panel.node.style.paddingBottom = `${Math.max(0, ...heights)}px`;
    panel.fit();
  };
  const observer = new ResizeObserver(fit);
  observer.observe(bar.node);
  const dispose = (): void => {
    observer.disconnect();
    bar.dispose();
    if (!panel.isDisposed) {
      fit();
    }
  };
  return { ...bar, dispose };
}

function keyOf({ requestId }: OpenProposal, cell: string | null): string {
  return cell === null ? requestId : `${requestId} ${cell}`;
}

/** The place of a diff at a cell: above the cell, below its input, or below the cell. */
interface Spot {
  readonly widget: CellWidget;
  readonly at: 'above' | 'input' | 'below';
}

function spotOf(
  { cell, place, kind }: CellChange,
  changes: readonly CellChange[],
  widgets: readonly CellWidget[]
): Spot | null {
  const widget = widgets.find(widget => widget.model.id === cell);
  if (kind !== 'insert') {
    return widget === undefined ? null : { widget, at: 'input' };
  }
  return place === null ? null : newSpot(place, changes, widgets);
}

/** The place of a new cell's diff: beside an existing cell; for a neighbour that is new too, its place. */
function newSpot(
  place: CellPlace,
  changes: readonly CellChange[],
  widgets: readonly CellWidget[]
): Spot | null {
  if (!('cell' in place)) {
    const widget = widgets.at(place.side === 'start' ? 0 : -1);
    return widget === undefined ? null : { widget, at: place.side === 'start' ? 'above' : 'below' };
  }
  const widget = widgets.find(other => other.model.id === place.cell);
  if (widget !== undefined) {
    return { widget, at: place.side === 'before' ? 'above' : 'below' };
  }
  const neighbour = changes.find(change => change.cell === place.cell && change.kind === 'insert');
  return neighbour?.place == null ? null : newSpot(neighbour.place, changes, widgets);
}

/** The child of the cell's node before which the diff is inserted; null to append it. */
function nodeBelow({ widget, at }: Spot): Element | null {
  switch (at) {
    case 'above':
      return widget.node.firstElementChild;
    case 'input':
      return (
        widget.node.querySelector(':scope > .jp-Cell-inputWrapper')?.nextElementSibling ?? null
      );
    case 'below':
      return null;
  }
}

/** Whether JupyterLab has rendered a cell: it renders distant cells only when they come near. */
function isDrawable(widget: CellWidget, onReady: () => void): boolean {
  if (widget.isDisposed || !widget.isPlaceholder()) {
    return !widget.isDisposed;
  }
  widget.ready.then(onReady, () => undefined);
  return false;
}
