/**
 * Restores chats whose outputs were lost, from the anchors of their cells, without running a cell.
 *
 *     output with a chat arrives ──► anchor written (metadata, and this browser)
 *     outputs cleared by a person, or the cell run without a chat ──► anchor removed
 *     notebook opened: anchor and no chat in the outputs ──► the chat is drawn below the cell
 *
 * The anchor is written only when an output arrives, so opening a notebook never changes the notebook.
 * The restored chat is a widget beside the outputs; a button makes it an output.
 */
import { type INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { type TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { type MountedChat, mountChat } from '../page/mounting';
import { type IChatPage } from '../page/tokens';
import { type Address, MIME_TYPE } from '../protocol/address';
import { plainButton } from '../view/controls/plain-button';
import { type CellWidget } from '../workspace/cells';
import { ANCHOR, type AnchorData, anchorOf, chatsIn, chatsOf } from './anchors';
import { type StoredAnchors } from './stored-anchors';
import { type ThreadChecks } from './thread-checks';
import {
  addBelowOutputs,
  eachOutput,
  type OutputsModel,
  outputsOfCell,
  watchCells
} from './watching';

export interface LostChatsOptions {
  readonly tracker: INotebookTracker;
  readonly page: IChatPage;
  readonly storage: StoredAnchors;
  readonly checks: ThreadChecks;
}

/** Keep anchors in all notebooks that are or will be open, and restore lost chats. */
export function keepAnchors(options: LostChatsOptions): void {
  const anchoredCells = new WeakMap<object, AnchoredCell>();
  watchCells(options.tracker, (panel, cell) => {
    const outputs = outputsOfCell(cell);
    if (outputs !== null) {
      anchoredCells.set(cell, new AnchoredCell(panel, cell, outputs, options));
    }
  });
  NotebookActions.outputCleared.connect((_actions, { cell }) => anchoredCells.get(cell)?.forget());
  NotebookActions.executed.connect((_actions, { cell }) => anchoredCells.get(cell)?.wasRun());
}

/** One code cell with its anchor. It is disposed with the cell's widget. */
class AnchoredCell {
  constructor(
    panel: NotebookPanel,
    cell: CellWidget,
    outputs: OutputsModel,
    options: LostChatsOptions
  ) {
    this._panel = panel;
    this._cell = cell;
    this._outputs = outputs;
    this._options = options;
    outputs.changed.connect((_outputs, change) => {
      if (change.type === 'add' && this._shownChats.length > 0) {
        this._keep();
      }
    });
    cell.disposed.connect(() => this._endChecks());
    this._restore();
  }

  /** Remove the anchor, because the person has removed the chat from the cell. */
  forget(): void {
    this._dropLost();
    this._options.storage.save(this._panel.context.path, this._cell.model.id, null);
    if (this._cell.model.getMetadata(ANCHOR) !== undefined) {
      this._cell.model.deleteMetadata(ANCHOR);
    }
  }

  /** Replace the anchor by the chats that the cell shows after a run. */
  wasRun(): void {
    if (this._shownChats.length === 0 && !this._cell.isDisposed) {
      this.forget();
    }
  }

  private get _shownChats(): readonly Address[] {
    return chatsIn(eachOutput(this._outputs));
  }

  private _keep(): void {
    this._dropLost();
    const anchor = anchorOf(this._shownChats);
    this._options.storage.save(this._panel.context.path, this._cell.model.id, anchor);
    if (!this._panel.context.model.readOnly) {
      this._cell.model.setMetadata(ANCHOR, anchor);
    }
  }

  /** Ask the server which of the lost chats exist: the anchors of a notebook are untrusted. */
  private _restore(): void {
    const chats = this._shownChats.length > 0 ? [] : this._anchorChats;
    const answers = new Map<string, boolean>();
    const ids = [...new Set(chats.map(({ threadId }) => threadId))];
    this._checks = ids.map(id =>
      this._options.checks.ask(id, isKnown => {
        answers.set(id, isKnown);
        if (answers.size === ids.length) {
          this._showLost(chats.filter(({ threadId }) => answers.get(threadId)));
        }
      })
    );
  }

  private _showLost(chats: readonly Address[]): void {
    if (chats.length === 0 || this._cell.isDisposed || this._shownChats.length > 0) {
      return;
    }
    this._lost = new LostChats(chats, this._options.page, {
      onKeep: () => chats.forEach(chat => this._outputs.add(outputOf(chat))),
      onForget: () => this.forget()
    });
    addBelowOutputs(this._cell, this._lost);
  }

  /** The chats of the anchor. The anchor kept in this browser is used if the saved cell was never run. */
  private get _anchorChats(): readonly Address[] {
    const { model } = this._cell;
    const chats = chatsOf(model.getMetadata(ANCHOR));
    const isFresh = 'executionCount' in model && model.executionCount === null;
    if (chats.length > 0 || !isFresh || this._outputs.length > 0) {
      return chats;
    }
    return chatsOf(this._options.storage.load(this._panel.context.path, model.id));
  }

  private _endChecks(): void {
    this._checks.forEach(end => end());
    this._checks = [];
  }

  private _dropLost(): void {
    this._endChecks();
    this._lost?.dispose();
    this._lost = null;
  }

  private readonly _panel: NotebookPanel;
  private readonly _cell: CellWidget;
  private readonly _outputs: OutputsModel;
  private readonly _options: LostChatsOptions;
  private _lost: LostChats | null = null;
  private _checks: readonly (() => void)[] = [];
}

interface LostChatsActions {
  readonly onKeep: () => void;
  readonly onForget: () => void;
}

/** The lost chats of one cell, with a line that explains them. */
class LostChats extends Widget {
  constructor(chats: readonly Address[], page: IChatPage, actions: LostChatsActions) {
    super();
    this.addClass('jp-ChatStream-lost');
    this.node.dataset['testid'] = 'lost-chats';
    const { trans } = page.services.language;
    this.node.append(this._line(trans, actions));
    this._chats = chats.map(({ threadId, runId }) => {
      const host = document.createElement('div');
      this.node.append(host);
      const chat = mountChat(host, page);
      chat.show({
        threadId,
        runId,
        savedCopy: null,
        isDisabled: false,
        height: null,
        place: 'output'
      });
      return chat;
    });
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._chats.forEach(chat => chat.dispose());
    }
    super.dispose();
  }

  private _line(trans: TranslationBundle, actions: LostChatsActions): HTMLElement {
    const line = document.createElement('p');
    line.className = 'jp-ChatStream-lostLine';
    const text = document.createElement('span');
    text.textContent = trans.__(
      'This output was not saved in the notebook. The chat is still on the server.'
    );
    line.append(
      text,
      button('keep-lost', trans.__('Keep as output'), actions.onKeep),
      button('forget-lost', trans.__('Remove'), actions.onForget)
    );
    return line;
  }

  private readonly _chats: readonly MountedChat[];
}

function button(testid: string, label: string, onClick: () => void): HTMLButtonElement {
  const node = plainButton(testid, label);
  node.addEventListener('keydown', event => event.stopPropagation());
  node.addEventListener('click', onClick);
  return node;
}

function outputOf({ threadId, runId }: Address): object {
  const address: AnchorData['chats'][number] =
    runId === null ? { thread: threadId } : { thread: threadId, run: runId };
  return {
    output_type: 'display_data',
    metadata: {},
    data: { [MIME_TYPE]: address, 'text/plain': 'Chat' }
  };
}
