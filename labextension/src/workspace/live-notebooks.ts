/**
 * Reads live context from the open notebooks of this page, and notifies when it may have changed.
 *
 * A chat in a cell's output belongs to that notebook. A chat in the panel or in a tab belongs to the open
 * notebook with the name and folder of its thread, or to a notebook that shows the thread. It does not
 * belong to the current notebook just because that is current.
 */
import { type INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Clock } from '../connection/connection';
import { Notifier } from '../state/store';
import { type DrawnChat, type LiveItem, type LiveSource } from '../thread/live-context';
import { CellView, type CellWidget } from './cells';
import { liveItems } from './live-context';

/** Changes within this time cause one notification: typing and growing outputs make many changes. */
export const SETTLE_MS = 200;
/** How many active cells of a notebook are remembered. */
const MOST_RECENT = 10;
const SUFFIX = '.ipynb';

export interface LiveNotebooksOptions {
  readonly tracker: INotebookTracker;
  readonly clock: Clock;
  readonly trans: TranslationBundle;
  /** The server's root, in the form of a thread's project; empty if not known. */
  readonly root?: string;
}

export class LiveNotebooks extends Notifier implements LiveSource {
  constructor(options: LiveNotebooksOptions) {
    super();
    this._options = options;
    const { tracker } = options;
    tracker.currentChanged.connect(() => this._notifySoon());
    tracker.forEach(panel => this._watch(panel));
    tracker.widgetAdded.connect((_tracker, panel) => this._watch(panel));
    NotebookActions.executed.connect(() => this._notifySoon());
  }

  notebookOf(chat: DrawnChat): string | null {
    const path = this._panelOf(chat)?.context.localPath;
    return path === undefined ? null : (path.split('/').at(-1) ?? path);
  }

  read(chat: DrawnChat): readonly LiveItem[] {
    const panel = this._panelOf(chat);
    if (panel === null) {
      return [];
    }
    const cells = panel.content.widgets.map(
      (widget, index) => new CellView(panel, { widget, index })
    );
    return liveItems(cells, this._cellOf(panel), this._options.trans);
  }

  /** The id of the last active cell without a chat; a click into a chat activates the chat's cell. */
  private _cellOf({ content }: NotebookPanel): string | null {
    const { activeCell, widgets } = content;
    const recent = [activeCell?.model.id, ...(this._recent.get(content) ?? [])];
    const cellId = recent.find(id => {
      const cell = widgets.find(({ model }) => model.id === id);
      return cell !== undefined && chatsOn(cell).length === 0;
    });
    return cellId ?? null;
  }

  private _panelOf(chat: DrawnChat): NotebookPanel | null {
    const ownPanel = this._options.tracker.find(panel => panel.node.contains(chat.node));
    const panel = ownPanel ?? this._namedPanel(chat) ?? this._showingPanel(chat);
    return panel?.context.isReady === true ? panel : null;
  }

  /** The panel of the notebook with the thread's name, in the thread's folder. */
  private _namedPanel({ name, project }: DrawnChat): NotebookPanel | undefined {
    const { root = '' } = this._options;
    const path = `${project.replace(/\/$/, '')}/${name ?? ''}${SUFFIX}`;
    const above = `${root.replace(/\/$/, '')}/`;
    return root === '' || project === ''
      ? undefined
      : this._panels.find(({ context }) => path === `${above}${context.localPath}`);
  }

  private _showingPanel({ threadId }: DrawnChat): NotebookPanel | undefined {
    return this._panels.find(({ content }) =>
      content.widgets.some(cell => chatsOn(cell).some(host => host.dataset['thread'] === threadId))
    );
  }

  /** The open notebooks, the current one first. */
  private get _panels(): readonly NotebookPanel[] {
    const { tracker } = this._options;
    const panels: NotebookPanel[] = [];
    tracker.forEach(panel => void panels.push(panel));
    const isCurrent = (panel: NotebookPanel): number => (panel === tracker.currentWidget ? 0 : 1);
    return panels.sort((a, b) => isCurrent(a) - isCurrent(b));
  }

  /** JupyterLab drops the signals together with the panel. */
  private _watch(panel: NotebookPanel): void {
    const notify = (): void => this._notifySoon();
    panel.content.activeCellChanged.connect((_notebook, cell) => {
      if (cell !== null) {
        const others = this._recent.get(panel.content) ?? [];
        this._recent.set(panel.content, [cell.model.id, ...others].slice(0, MOST_RECENT));
      }
      notify();
    });
    panel.context.pathChanged.connect(notify);
    panel.disposed.connect(notify);
    panel.context.ready.then(
      () => {
        panel.context.model.contentChanged.connect(notify);
        notify();
      },
      () => undefined // the page tells why it could not load the notebook
    );
    notify();
  }

  private _notifySoon(): void {
    if (this._isWaiting || this._listeners.size === 0) {
      return;
    }
    this._isWaiting = true;
    this._options.clock.later(() => {
      this._isWaiting = false;
      this._notify();
    }, SETTLE_MS);
  }

  private readonly _options: LiveNotebooksOptions;
  /** By notebook: the ids of the cells that were active, newest first. */
  private readonly _recent = new WeakMap<object, readonly string[]>();
  private _isWaiting = false;
}

function chatsOn({ node }: CellWidget): readonly HTMLElement[] {
  // A proposed edit at a cell has the same class and is no chat.
  return [...node.querySelectorAll<HTMLElement>('.jp-ChatStream:not(.jp-ChatStream-proposal)')];
}
