/**
 * Writes the saved copies of chats into notebook files. The server writes their text (decision 33).
 *
 * A copy is written only during a save of the notebook, and only if its text has changed. A new chat
 * output causes a save soon afterwards (`NotebookSaving`).
 */
import {
  type INotebookModel,
  type INotebookTracker,
  type NotebookPanel
} from '@jupyterlab/notebook';
import { type PartialJSONObject } from '@lumino/coreutils';

import { type Api } from '../connection/api';
import { type Address, MIME_TYPE, parseAddress } from '../protocol/address';
import { type ThreadClient } from '../thread/model';
import { type Threads } from '../thread/page-threads';
import { ChatCopy, CopyRequests, type CopyExtent, shownState } from './chat-copy';
import { NotebookSaving, type NotebookSavingOptions } from './notebook-saving';

export interface NotebookCopiesOptions extends NotebookSavingOptions {
  readonly tracker: INotebookTracker;
  readonly threads: Threads;
  readonly api: Api;
  readonly extent: () => CopyExtent;
}

/** Keep copies in all notebooks that are or will be open. */
export function keepChats(options: NotebookCopiesOptions): void {
  const requests = new CopyRequests(options.api);
  const contexts = new WeakSet<NotebookPanel['context']>();
  const start = ({ context }: NotebookPanel): void => {
    void context.ready.then(() => {
      if (!context.isDisposed && !contexts.has(context)) {
        contexts.add(context); // a second view of the notebook has the same one
        new NotebookCopies(context, requests, options);
      }
    });
  };
  options.tracker.forEach(start);
  options.tracker.widgetAdded.connect((_tracker, panel) => start(panel));
}

/** The part of JupyterLab's output model that this module uses. */
interface WritableOutput {
  readonly data: Readonly<Record<string, unknown>>;
  setData(options: { data: PartialJSONObject }): void;
}

interface OutputAreaModel {
  readonly length: number;
  readonly changed: {
    connect(
      slot: (
        sender: unknown,
        change: { readonly type: string; readonly newValues: readonly WritableOutput[] }
      ) => void
    ): boolean;
  };
  get(index: number): WritableOutput;
}

/** An output that shows a chat, and the copy that it should have. */
interface ChatOutput {
  readonly output: WritableOutput;
  readonly copy: ChatCopy;
}

/** The copies in one notebook. JupyterLab drops the signals together with the context. */
class NotebookCopies {
  constructor(
    private readonly _context: NotebookPanel['context'],
    private readonly _requests: CopyRequests,
    private readonly _options: NotebookCopiesOptions
  ) {
    this._saving = new NotebookSaving(_context, _options);
    _context.saveState.connect((_sender, state) => {
      if (state === 'started') {
        this._writeCopies();
      }
    });
    const { model } = _context;
    model.cells.changed.connect(() => this._watchCells(model));
    const unwatch = _options.threads.watch(client => this._fetchCopies(client));
    _context.disposed.connect(() => {
      unwatch();
      this._copies.forEach(copy => copy.dispose());
      this._copies.clear();
    });
    this._watchCells(model);
  }

  /** Watch the outputs of new cells. */
  private _watchCells(model: INotebookModel): void {
    for (const cell of model.cells) {
      const outputs = outputsOf(cell);
      if (outputs !== null && !this._models.has(outputs)) {
        this._models.add(outputs);
        outputs.changed.connect((_outputs, { type, newValues }) => {
          const hasChat = newValues.some(output => output.data[MIME_TYPE] !== undefined);
          if (hasChat) {
            this._findChats();
          }
          if (type === 'add' && hasChat) {
            this._saving.saveSoon();
          }
        });
      }
    }
    this._findChats();
  }

  /** Find the chats in the outputs, and fetch the copies of new ones. Copies without output end. */
  private _findChats(): readonly ChatOutput[] {
    const { model } = this._context;
    const canWrite = model.collaborative !== true && !model.readOnly;
    const chats = canWrite ? this._chatsIn(model) : [];
    const copies = new Set(chats.map(({ copy }) => copy));
    for (const [key, copy] of this._copies) {
      if (!copies.has(copy)) {
        copy.dispose();
        this._copies.delete(key);
      }
    }
    return chats;
  }

  private _chatsIn(model: INotebookModel): readonly ChatOutput[] {
    const chats: ChatOutput[] = [];
    for (const cell of model.cells) {
      const outputs = outputsOf(cell);
      for (let index = 0; outputs !== null && index < outputs.length; index += 1) {
        const output = outputs.get(index);
        const address = parseAddress(output.data[MIME_TYPE]);
        if (address !== null) {
          chats.push({ output, copy: this._copyOf(address) });
        }
      }
    }
    return chats;
  }

  private _copyOf(address: Address): ChatCopy {
    const key = JSON.stringify(address);
    let copy = this._copies.get(key);
    if (copy === undefined) {
      copy = new ChatCopy(address, this._requests);
      this._copies.set(key, copy);
      this._refresh(copy);
    }
    return copy;
  }

  /** Fetch the copies of a thread whose state has changed. It is called with each frame of an answer. */
  private _fetchCopies(client: ThreadClient): void {
    const copies = [...this._copies.values()].filter(
      ({ address }) => address.threadId === client.threadId
    );
    if (copies.length === 0 || !client.isLive) {
      this._states.delete(client);
      return;
    }
    const state = shownState(client.transcript, null);
    if (state !== this._states.get(client)) {
      this._states.set(client, state);
      copies.forEach(copy => this._refresh(copy));
    }
  }

  /**
   * Request a copy after a change. Returns its text if that is current; a client without a connection may
   * have an older state than the copy.
   */
  private _refresh(copy: ChatCopy): ReturnType<ChatCopy['refresh']> {
    const client = this._options.threads.find(copy.address.threadId);
    return client?.isLive === true ? copy.refresh(client.transcript, this._options.extent()) : null;
  }

  private _writeCopies(): void {
    for (const { output, copy } of this._findChats()) {
      const text = this._refresh(copy);
      if (text === null) {
        copy.retry();
      } else if (!isSame(output.data, text)) {
        const data: PartialJSONObject = { ...(output.data as PartialJSONObject) };
        const texts = { 'text/markdown': text.markdown, 'text/plain': text.plain };
        output.setData({ data: { ...data, ...texts } });
      }
    }
  }

  private readonly _saving: NotebookSaving;
  /** By address: the copies of the chats in the outputs. */
  private readonly _copies = new Map<string, ChatCopy>();
  /** What the threads showed when their copies were requested. */
  private readonly _states = new WeakMap<ThreadClient, string>();
  private readonly _models = new WeakSet<OutputAreaModel>();
}

/** The outputs of a code cell; null for a cell of another type. */
function outputsOf(cell: object): OutputAreaModel | null {
  return 'outputs' in cell ? (cell.outputs as OutputAreaModel) : null;
}

function isSame(
  data: Readonly<Record<string, unknown>>,
  copy: { readonly markdown: string; readonly plain: string }
): boolean {
  return (
    textOf(data['text/markdown']) === copy.markdown && textOf(data['text/plain']) === copy.plain
  );
}

/** A text of a MIME bundle, which is a string or a list of lines. */
function textOf(value: unknown): string | null {
  const text = Array.isArray(value) ? value.join('') : value;
  return typeof text === 'string' ? text : null;
}
