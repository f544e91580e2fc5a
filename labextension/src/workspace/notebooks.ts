/** The notebooks that this page has open in JupyterLab or Notebook 7. */
import { type INotebookTracker, type NotebookPanel } from '@jupyterlab/notebook';
import { type TranslationBundle } from '@jupyterlab/translation';

import { shownName } from '../composer/files';
import { type Clock } from '../connection/connection';
import { fieldsOf } from '../protocol/fields';
import { Notifier } from '../state/store';
import { noNotebookText } from '../text/texts';
import { AskedPlaces } from './asked';
import { type CellDraft, cellOf, textFor } from './blocks';
import { CellView, type FoundCell, findCell } from './cells';
import { type NotebookFiles, type NotebookStorage } from './closed-notebooks';
import { focusActiveCell, insertAtCursor, insertCell, replaceSource, runActiveCell } from './edits';
import { OpenProposals } from './open-proposals';
import { Reviews } from './reviews';
import {
  type ActionResult,
  type CellAction,
  type CodeBlock,
  type NotebookCell,
  type OpenNotebook,
  type Place,
  type VariableText,
  type Variables,
  type Workspace
} from './values';
import { type AskedKernel, KernelVariables } from './variables';

export interface NotebookWorkspaceOptions {
  readonly tracker: INotebookTracker;
  readonly clock: Clock;
  readonly trans: TranslationBundle;
  /** Brings a notebook to the front. */
  readonly reveal: (panelId: string) => void;
  /** The contents API. */
  readonly files: NotebookFiles;
  /** Whether another page has a notebook open. */
  readonly isOpenElsewhere: (path: string) => Promise<boolean>;
  /** Whether a text editor of this page has a file open. */
  readonly isInEditor: (path: string) => boolean;
}

export class NotebookWorkspace extends Notifier implements Workspace {
  constructor(options: NotebookWorkspaceOptions) {
    super();
    this._tracker = options.tracker;
    this._trans = options.trans;
    this._reveal = options.reveal;
    this._clock = options.clock;
    this.storage = {
      files: options.files,
      isOpenHere: path => this.panel(path) !== null,
      isOpenElsewhere: options.isOpenElsewhere,
      isInEditor: options.isInEditor
    };
    this._tracker.currentChanged.connect(this.notify);
    this._tracker.widgetAdded.connect((_tracker, panel) => {
      let { path } = panel.context;
      this._renames.delete(path);
      panel.disposed.connect(() => {
        this._renames.forEach((old, at) => old.panel === panel && this._renames.delete(at));
        this.notify();
      });
      panel.context.pathChanged.connect((_context, next) => {
        this._renames.set(path, { panel, isProposed: this._isProposed(path) });
        this._renames.delete(next);
        path = next;
        this.notify();
      });
      panel.context.ready.then(
        this.notify,
        () => undefined // the page tells why it could not load the notebook
      );
      this.notify();
    });
  }

  /** Notify the listeners: notebooks were opened, closed or renamed, or another tab is in front. */
  readonly notify = (): void => this._notify();

  readonly reviews = new Reviews();

  /** The proposals about notebooks that wait for consent. */
  readonly proposals = new OpenProposals();

  readonly storage: NotebookStorage;

  notebooks(): readonly OpenNotebook[] {
    const current = this._tracker.currentWidget;
    const panels: NotebookPanel[] = [];
    this._tracker.forEach(panel => {
      if (!panels.some(other => other.context.path === panel.context.path)) {
        panels.push(panel);
      }
    });
    const isCurrent = (panel: NotebookPanel): boolean =>
      panel.context.path === current?.context.path;
    return [...panels.filter(isCurrent), ...panels.filter(panel => !isCurrent(panel))].map(
      panel => ({
        path: panel.context.path,
        localPath: panel.context.localPath,
        name: nameOfFile(panel),
        language: languageOf(panel),
        isCurrent: isCurrent(panel)
      })
    );
  }

  placeOf(node: Node, action?: CellAction): Place | null {
    const ownPanel = this._tracker.find(panel => panel.node.contains(node));
    const place = ownPanel === undefined && action === 'replace' ? this._places.of(node) : null;
    if (place !== null) {
      return place; // even if that cell is gone: `replace` must not hit another cell
    }
    const panel = ownPanel ?? this._tracker.currentWidget;
    if (panel === null) {
      return null;
    }
    const { widgets, activeCell } = panel.content;
    const cell = widgets.find(widget => widget.node.contains(node)) ?? activeCell;
    return { path: panel.context.path, cellId: cell?.model.id ?? null };
  }

  /** Remember the active cell for a question that this page sends: the answer is about that cell. */
  sending(): (messageId: string) => void {
    const panel = this._tracker.currentWidget;
    if (panel === null) {
      return () => undefined;
    }
    const cellId = panel.content.activeCell?.model.id ?? null;
    const place = { path: panel.context.path, cellId };
    return messageId => this._places.add(messageId, place);
  }

  /** Remember the cell of an edited question for the new question. */
  onEdit(from: string, to: string): void {
    this._places.copy(from, to);
  }

  cells(path: string): readonly NotebookCell[] {
    const panel = this._find(path);
    return panel === null
      ? []
      : panel.content.widgets.map((widget, index) => new CellView(panel, { widget, index }));
  }

  cell(place: Place): NotebookCell | null {
    const panel = this._find(place.path, place.cellId);
    const cell = panel === null ? null : findCell(panel, place.cellId);
    return panel === null || cell === null ? null : new CellView(panel, cell);
  }

  nameOf(place: Place): string {
    const panel = this._find(place.path, place.cellId);
    const file = panel === null ? shownName(place.path) : nameOfFile(panel);
    const cell = this.cell(place);
    if (cell === null) {
      return file;
    }
    return cell.executionCount === null
      ? this._trans.__('cell %1 of %2', cell.index + 1, file)
      : this._trans.__('cell [%1] of %2', cell.executionCount, file);
  }

  async variables(path: string): Promise<Variables> {
    const panel = this._find(path);
    return panel === null
      ? { state: 'no_notebook' }
      : (await this._kernelVariables()).list(kernelOf(panel));
  }

  async describe(path: string, name: string): Promise<VariableText> {
    const panel = this._find(path);
    return panel === null
      ? { state: 'no_notebook' }
      : (await this._kernelVariables()).describe(kernelOf(panel), name);
  }

  obstacle(action: CellAction, place: Place | null, block: CodeBlock): string | null {
    const trans = this._trans;
    const panel = place === null ? null : this._find(place.path, place.cellId);
    if (place === null || panel === null) {
      return noNotebookText(trans);
    }
    if (panel.content.model === null || panel.content.model.readOnly) {
      return trans.__('%1 is read-only.', nameOfFile(panel));
    }
    const draft = cellOf(block, languageOf(panel));
    if (action === 'run' && draft.kind !== 'code') {
      return trans.__('The kernel of %1 does not run this language.', nameOfFile(panel));
    }
    const cell = findCell(panel, place.cellId);
    if (cell === null || action === 'run' || action.startsWith('insert_below')) {
      return null; // the action itself reports a missing cell
    }
    return this._obstacleOfCell(action, cell, draft);
  }

  act(action: CellAction, place: Place, block: CodeBlock): ActionResult {
    const reason = this.obstacle(action, place, block);
    const panel = this._find(place.path, place.cellId);
    if (reason !== null || panel === null) {
      return { isDone: false, reason: reason ?? '', isCellGone: false };
    }
    const draft = cellOf(block, languageOf(panel));
    if (action === 'insert_at_end') {
      const cellId = insertCell(panel, panel.content.widgets.length, draft);
      this._show(panel);
      return { isDone: true, cellId };
    }
    const cell = findCell(panel, place.cellId);
    if (cell === null) {
      return {
        isDone: false,
        reason: this._trans.__('The cell is no longer in %1.', nameOfFile(panel)),
        isCellGone: true
      };
    }
    const cellId = this._change(action, panel, cell, block);
    this._show(panel);
    return { isDone: true, cellId };
  }

  openPath(path: string): string | null {
    return this._find(path)?.context.path ?? null;
  }

  /** The panel of an open notebook; for null, the current notebook. */
  panel(path: string | null): NotebookPanel | null {
    return path === null ? this._tracker.currentWidget : this._find(path);
  }

  private _change(
    action: Exclude<CellAction, 'insert_at_end'>,
    panel: NotebookPanel,
    cell: FoundCell,
    block: CodeBlock
  ): string {
    const { id, type } = cell.widget.model;
    const draft = cellOf(block, languageOf(panel));
    switch (action) {
      case 'insert_below':
      case 'run': {
        const cellId = insertCell(panel, this._indexBelow(panel, cell), draft);
        this._cellAbove.set(cellId, id);
        if (action === 'run') {
          runActiveCell(panel);
        }
        return cellId;
      }
      case 'insert_at_cursor':
        insertAtCursor(panel, cell, textFor(block, type === 'code' ? 'code' : 'markdown'));
        return id;
      case 'replace':
        replaceSource(panel, cell, draft.source);
        return id;
    }
  }

  private async _kernelVariables(): Promise<KernelVariables> {
    const { KernelVariables } = await import(/* webpackChunkName: "view" */ './variables');
    this._variables ??= new KernelVariables(this._clock);
    return this._variables;
  }

  /** The index below a cell and below the cells that were inserted there before, to keep their order. */
  private _indexBelow(panel: NotebookPanel, { widget, index }: FoundCell): number {
    const { widgets } = panel.content;
    let below = index + 1;
    while (this._cellAbove.get(widgets[below]?.model.id ?? '') === widget.model.id) {
      below += 1;
    }
    return below;
  }

  private _obstacleOfCell(action: CellAction, cell: FoundCell, draft: CellDraft): string | null {
    const trans = this._trans;
    const { model } = cell.widget;
    if (model.getMetadata('editable') === false) {
      return trans.__('The cell is protected: it cannot be edited.');
    }
    if (action !== 'replace' || model.type === draft.kind) {
      return null;
    }
    return model.type === 'code'
      ? trans.__('The cell is a code cell, and this block is text.')
      : trans.__('The cell is a text cell, and this block is code.');
  }

  /** Whether a proposal about the notebook of a path waits for consent. */
  private _isProposed(path: string): boolean {
    return this.proposals.list().some(({ call }) => fieldsOf(call.input)['path'] === path);
  }

  /**
   * The panel of a path. The old path of a renamed notebook still finds it, but only for a proposal that was
   * open at the renaming, or for one of its cells: another file may have that path now.
   */
  private _find(path: string, cellId: string | null = null): NotebookPanel | null {
    const current = this._tracker.currentWidget;
    if (current?.context.path === path) {
      return current;
    }
    const old = this._renames.get(path);
    const panel = this._tracker.find(({ context }) => context.path === path);
    if (panel !== undefined || old === undefined) {
      return panel ?? null;
    }
    return old.isProposed || findCell(old.panel, cellId) !== null ? old.panel : null;
  }

  private _show(panel: NotebookPanel): void {
    this._reveal(panel.id);
    focusActiveCell(panel);
  }

  private readonly _tracker: INotebookTracker;
  private readonly _trans: TranslationBundle;
  private readonly _reveal: (panelId: string) => void;
  private readonly _clock: Clock;
  private _variables: KernelVariables | null = null;
  private readonly _places = new AskedPlaces();
  /** By old path: a renamed open notebook, and whether a proposal was open at the renaming. */
  private readonly _renames = new Map<string, { panel: NotebookPanel; isProposed: boolean }>();
  /** By the id of a cell that this page inserted: the id of the cell above it. */
  private readonly _cellAbove = new Map<string, string>();
}

function nameOfFile(panel: NotebookPanel): string {
  return shownName(panel.context.localPath.split('/').at(-1) ?? '');
}

function kernelOf(panel: NotebookPanel): AskedKernel | null {
  return panel.sessionContext.session?.kernel ?? null;
}

/** The language of a notebook's kernel, from the notebook's metadata; empty if they have none yet. */
function languageOf(panel: NotebookPanel): string {
  const { model } = panel.content;
  const info: unknown = model?.getMetadata('language_info');
  const spec: unknown = model?.getMetadata('kernelspec');
  const name = textField(info, 'name') ?? textField(spec, 'language');
  return (name ?? model?.defaultKernelLanguage ?? '').toLowerCase();
}

function textField(value: unknown, name: string): string | null {
  const text = fieldsOf(value)[name];
  return typeof text === 'string' && text !== '' ? text : null;
}
