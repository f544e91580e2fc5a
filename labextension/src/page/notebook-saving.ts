/**
 * Saves a notebook that got a new chat output: a reload would lose the output with the thread's address.
 *
 * It saves only if JupyterLab's autosave is on and the save cannot open a dialog.
 */
import { type NotebookPanel } from '@jupyterlab/notebook';
import { type Contents } from '@jupyterlab/services';

import { type Clock } from '../connection/connection';

export interface NotebookSavingOptions {
  readonly contents: Contents.IManager;
  readonly clock: Clock;
  /** Whether JupyterLab's autosave is on. */
  readonly isAutosaving: () => boolean;
}

/** The delay between a new output and the save, so that several outputs need one save. */
const SAVE_AFTER_MS = 1_000;

/** A save that tells no end by then has ended: JupyterLab tells none if the person cancels its dialog. */
const LONGEST_SAVE_MS = 60_000;

/** The saves of one notebook. JupyterLab drops the signals together with the context. */
export class NotebookSaving {
  constructor(
    private readonly _context: NotebookPanel['context'],
    private readonly _options: NotebookSavingOptions
  ) {
    _context.saveState.connect((_sender, state) => {
      this._endSave?.();
      this._endSave = null;
      if (state === 'started') {
        this._endSave = _options.clock.later(() => (this._endSave = null), LONGEST_SAVE_MS);
      }
    });
    _context.disposed.connect(() => {
      this._cancelSave?.();
      this._endSave?.();
    });
  }

  /** Save the notebook soon, if it may be saved then. */
  saveSoon(): void {
    this._cancelSave?.();
    this._cancelSave = this._options.clock.later(() => {
      this._cancelSave = null;
      void this._save();
    }, SAVE_AFTER_MS);
  }

  private async _save(): Promise<void> {
    if (!this._maySave()) {
      return;
    }
    const isQuiet = this._endSave === null && (await this._isUnchangedOnDisk());
    // The person may have saved or closed the notebook during the request.
    if (!this._maySave()) {
      return;
    }
    if (this._endSave !== null) {
      this.saveSoon(); // JupyterLab takes the file of a save under way for a foreign change
    } else if (isQuiet) {
      await this._context.save().catch(() => undefined); // JupyterLab has reported the failure already
    }
  }

  private _maySave(): boolean {
    const { isDisposed, model, contentsModel } = this._context;
    return (
      !isDisposed &&
      this._options.isAutosaving() &&
      model.dirty &&
      !model.readOnly &&
      model.collaborative !== true &&
      contentsModel?.writable === true
    );
  }

  private async _isUnchangedOnDisk(): Promise<boolean> {
    const context = this._context;
    const loadedFile = context.contentsModel;
    try {
      const onDisk = await this._options.contents.get(context.path, { content: false });
      return loadedFile?.last_modified === onDisk.last_modified && onDisk.writable;
    } catch {
      // The file is gone or the server did not respond: saving now could open a dialog.
      return false;
    }
  }

  private _cancelSave: (() => void) | null = null;
  /** Ends the wait for the end of a save that is under way; null if none is. */
  private _endSave: (() => void) | null = null;
}
