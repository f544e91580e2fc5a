/**
 * Writes the saved copies of chats into notebook files.
 *
 * A save of the notebook updates its copies. A new chat output causes a save soon afterwards, because a
 * reload would lose the output with the address of the thread. A copy is written only during a save, and
 * only if its text has changed. This module saves only if JupyterLab's autosave is on and the save cannot
 * open a dialog.
 */
import {
  type INotebookModel,
  type INotebookTracker,
  type NotebookPanel
} from '@jupyterlab/notebook';
import { type Contents } from '@jupyterlab/services';
import { type PartialJSONObject } from '@lumino/coreutils';

import { type Clock } from '../connection/connection';
import { type CopyExtent, snapshot } from '../fold/snapshot';
import { MIME_TYPE, parseAddress } from '../protocol/address';
import { type Threads } from '../thread/page-threads';

export interface NotebookCopiesOptions {
  readonly tracker: INotebookTracker;
  readonly threads: Threads;
  readonly contents: Contents.IManager;
  readonly clock: Clock;
  readonly extent: () => CopyExtent;
  /** Whether JupyterLab's autosave is on. */
  readonly isAutosaving: () => boolean;
}

/** The delay between a new output and the save, so that several outputs need one save. */
const SAVE_AFTER_MS = 1_000;

/** Keep copies in all notebooks that are or will be open. */
export function keepChats(options: NotebookCopiesOptions): void {
  const start = (panel: NotebookPanel): void => {
    void panel.context.ready.then(() => {
      if (!panel.isDisposed) {
        new NotebookCopies(panel, options);
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

/** The copies in one notebook. JupyterLab drops the signals together with the panel. */
class NotebookCopies {
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _options: NotebookCopiesOptions
  ) {
    _panel.context.saveState.connect((_context, state) => {
      if (state === 'started') {
        this._refreshCopies();
      }
    });
    const model = _panel.context.model;
    model.cells.changed.connect(() => this._watchCells(model));
    _panel.disposed.connect(() => this._cancelSave?.());
    this._watchCells(model);
  }

  /** Watch the outputs of new cells. */
  private _watchCells(model: INotebookModel): void {
    for (const cell of model.cells) {
      const outputs = outputsOf(cell);
      if (outputs !== null && !this._models.has(outputs)) {
        this._models.add(outputs);
        outputs.changed.connect((_outputs, change) => {
          const isFresh = change.newValues.some(output => output.data[MIME_TYPE] !== undefined);
          if (change.type === 'add' && isFresh) {
            this._saveSoon();
          }
        });
      }
    }
  }

  private _refreshCopies(): void {
    const { model } = this._panel.context;
    if (model.collaborative === true || model.readOnly) {
      return;
    }
    for (const cell of model.cells) {
      const outputs = outputsOf(cell);
      for (let index = 0; outputs !== null && index < outputs.length; index += 1) {
        this._refresh(outputs, index);
      }
    }
  }

  private _refresh(outputs: OutputAreaModel, index: number): void {
    const output = outputs.get(index);
    const address = parseAddress(output.data[MIME_TYPE]);
    if (address === null) {
      return;
    }
    const client = this._options.threads.find(address.threadId);
    // The copy may be newer than the state of a client without a connection.
    const isCurrent = client !== undefined && client.isLive;
    const copy = isCurrent
      ? snapshot(client.transcript, this._options.extent(), address.runId)
      : null;
    if (copy === null || isSame(output.data, copy)) {
      return;
    }
    const data: PartialJSONObject = { ...(output.data as PartialJSONObject) };
    output.setData({ data: { ...data, 'text/markdown': copy.markdown, 'text/plain': copy.plain } });
  }

  private _saveSoon(): void {
    this._cancelSave?.();
    this._cancelSave = this._options.clock.later(() => {
      this._cancelSave = null;
      void this._save();
    }, SAVE_AFTER_MS);
  }

  private async _save(): Promise<void> {
    const { context } = this._panel;
    const isQuiet = this._maySave() && (await this._isUnchangedOnDisk());
    // The person may have saved or closed the notebook during the request.
    if (isQuiet && this._maySave()) {
      await context.save().catch(() => undefined); // JupyterLab has reported the failure already
    }
  }

  private _maySave(): boolean {
    const { context, isDisposed } = this._panel;
    return (
      !isDisposed &&
      !context.isDisposed &&
      this._options.isAutosaving() &&
      context.model.dirty &&
      !context.model.readOnly &&
      context.model.collaborative !== true &&
      context.contentsModel?.writable === true
    );
  }

  private async _isUnchangedOnDisk(): Promise<boolean> {
    const { context } = this._panel;
    const loadedFile = context.contentsModel;
    try {
      const onDisk = await this._options.contents.get(context.path, { content: false });
      return loadedFile?.last_modified === onDisk.last_modified && onDisk.writable;
    } catch {
      // The file is gone or the server did not respond: saving now could open a dialog.
      return false;
    }
  }

  private readonly _models = new WeakSet<OutputAreaModel>();
  private _cancelSave: (() => void) | null = null;
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
