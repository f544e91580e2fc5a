/**
 * What a notebook file keeps of its chats: the copy refreshed on save, and a save soon after a fresh
 * chat output (a reload would lose the output, and with it the way to the thread).
 *
 * Writes only where the text differs, only while a save is under way, and never asks: the save of
 * our own happens where JupyterLab's autosave is on and nothing could make it open a dialog.
 */
import {
  type INotebookModel,
  type INotebookTracker,
  type NotebookPanel
} from '@jupyterlab/notebook';
import { type Contents } from '@jupyterlab/services';
import { type PartialJSONObject } from '@lumino/coreutils';

import { MIME_TYPE, parseAddress } from './address';
import { type Clock } from './connection';
import { type Threads } from './model';
import { type CopyExtent, snapshot } from './snapshot';

export interface NotebookCopiesOptions {
  readonly tracker: INotebookTracker;
  readonly threads: Threads;
  readonly contents: Contents.IManager;
  readonly clock: Clock;
  readonly extent: () => CopyExtent;
  /** Whether JupyterLab saves by itself. */
  readonly isAutosaving: () => boolean;
}

/** So long after a fresh output it is saved: several of one run of the notebook are one save. */
const SAVE_AFTER_MS = 1_000;

/** Attend to every notebook, those that are open and those to come. */
export function keepChats(options: NotebookCopiesOptions): void {
  const attend = (panel: NotebookPanel): void => {
    void panel.context.ready.then(() => {
      if (!panel.isDisposed) {
        new NotebookCopies(panel, options);
      }
    });
  };
  options.tracker.forEach(attend);
  options.tracker.widgetAdded.connect((_tracker, panel) => attend(panel));
}

/** The parts of JupyterLab's output models that are used. */
interface OutputModel {
  readonly data: Readonly<Record<string, unknown>>;
  setData(options: { data: PartialJSONObject }): void;
}

interface OutputAreaModel {
  readonly length: number;
  readonly changed: {
    connect(
      slot: (
        sender: unknown,
        change: { readonly type: string; readonly newValues: readonly OutputModel[] }
      ) => void
    ): boolean;
  };
  get(index: number): OutputModel;
}

/** One notebook; its signals end with the panel. */
class NotebookCopies {
  constructor(panel: NotebookPanel, options: NotebookCopiesOptions) {
    this._panel = panel;
    this._options = options;
    panel.context.saveState.connect((_context, state) => {
      if (state === 'started') {
        this._refreshCopies();
      }
    });
    const model = panel.context.model;
    model.cells.changed.connect(() => this._watchCells(model));
    panel.disposed.connect(() => this._cancelSave?.());
    this._watchCells(model);
  }

  /** Watch the outputs of cells not seen before. */
  private _watchCells(model: INotebookModel): void {
    for (const cell of model.cells) {
      const outputs = outputsOf(cell);
      if (outputs !== null && !this._seen.has(outputs)) {
        this._seen.add(outputs);
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
    const client = this._options.threads.peek(address.threadId);
    // One that is cut off may know less than the copy does.
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
    // Asking took a while: look again, the reader may have saved or closed it meanwhile.
    if (isQuiet && this._maySave()) {
      await context.save().catch(() => undefined); // JupyterLab has said so already
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
    const known = context.contentsModel;
    try {
      const onDisk = await this._options.contents.get(context.path, { content: false });
      return known?.last_modified === onDisk.last_modified && onDisk.writable;
    } catch {
      // Not there, or no answer: saving now could open a dialog.
      return false;
    }
  }

  private readonly _panel: NotebookPanel;
  private readonly _options: NotebookCopiesOptions;
  private readonly _seen = new WeakSet<OutputAreaModel>();
  private _cancelSave: (() => void) | null = null;
}

/** The outputs of a code cell; null of another. */
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

/** A text in a bundle: a string, or the lines of a file. */
function textOf(value: unknown): string | null {
  const text = Array.isArray(value) ? value.join('') : value;
  return typeof text === 'string' ? text : null;
}
