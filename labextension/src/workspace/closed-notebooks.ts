/**
 * Reads and changes the file of a notebook that no page has open, through the contents API (L17).
 *
 * A change is written only if the file has not changed since it was read. The page keeps the old bytes
 * of the file, so that Undo restores them exactly. This module is loaded with the first chat.
 */
import { fieldsOf } from '../protocol/fields';
import { forgetOldest } from '../state/bounds';
import { Notifier } from '../state/store';
import { MisfitError } from './cell-edits';
import { type CheckedCells } from './misfits';
import { fileCells } from './notebook-validity';

/** The part of JupyterLab's contents manager that this module uses. */
export interface NotebookFiles {
  get(path: string, options: FileOptions): Promise<FileModel>;
  save(path: string, options: SavedFile): Promise<FileModel>;
}

interface FileOptions {
  readonly content: boolean;
  readonly type?: 'notebook' | 'file';
  readonly format?: 'text';
}

export interface FileModel {
  readonly content: unknown;
  readonly last_modified: string;
  readonly writable: boolean;
}

interface SavedFile {
  readonly type: 'notebook' | 'file';
  readonly format: 'json' | 'text';
  readonly content: unknown;
}

/** A file as it was before an edit, and when the edit was written. */
interface KeptFile {
  readonly path: string;
  readonly text: string;
  readonly last_modified: string;
}

/** A file as it was at its last check. */
interface CheckedFile {
  readonly cells: CheckedCells['cells'];
  readonly last_modified: string;
  readonly writable: boolean;
}

/** The outcome of an undo: the file was restored, has changed since the edit, or is open now. */
export type UndoResult = 'done' | 'changed' | 'open';

/** Access to the files of notebooks that are not open in this page. */
export interface NotebookStorage {
  readonly files: NotebookFiles;
  /** Whether this page has the notebook of a path open. */
  readonly isOpenHere: (path: string) => boolean;
  /** Whether another page has the notebook of a path open. */
  readonly isOpenElsewhere: (path: string) => Promise<boolean>;
  /** Whether a text editor of this page has the file open. Its next save would undo a change. */
  readonly isInEditor: (path: string) => boolean;
}

const WHOLE = { content: true, type: 'notebook' } as const;
/** For how many edits the old files are kept; older edits cannot be undone. */
const MOST_KEPT = 20;
/** How many checked files are kept. */
const MOST_CHECKED = 8;

const byStorage = new WeakMap<NotebookStorage, ClosedNotebooks>();

/** The closed notebooks of a page: the card of a call can undo the call's change. */
export function closedNotebooks(storage: NotebookStorage): ClosedNotebooks {
  const notebooks = byStorage.get(storage) ?? new ClosedNotebooks(storage);
  byStorage.set(storage, notebooks);
  return notebooks;
}

export class ClosedNotebooks extends Notifier {
  constructor(private readonly _options: NotebookStorage) {
    super();
    this._files = _options.files;
  }

  /** Read the JSON of a notebook file. @throws MisfitError if the file cannot be read. */
  async read(path: string): Promise<unknown> {
    return (await this._get(path)).content;
  }

  /**
   * Read the cells of a notebook file to check a proposal against them; an unchanged file only once.
   * A check that begins while another check of the file is under way gets the result of that check.
   */
  check(path: string): Promise<CheckedCells> {
    const checking =
      this._checking.get(path) ?? this._check(path).finally(() => this._checking.delete(path));
    this._checking.set(path, checking);
    return checking;
  }

  /**
   * Change the cells of a file: `change` gets the file's JSON and returns the new cells. `callId` names
   * the change for `undo`. Returns the JSON of the changed file.
   *
   * @throws MisfitError if `change` does, or if the file changes meanwhile.
   */
  async change(
    path: string,
    callId: string,
    change: (content: unknown) => readonly object[]
  ): Promise<unknown> {
    const before = await this._get(path);
    if (!before.writable) {
      throw new MisfitError('The notebook is read-only.');
    }
    const cells = change(before.content);
    const bytes = await this._files.get(path, { content: true, type: 'file', format: 'text' });
    if (bytes.last_modified !== before.last_modified || typeof bytes.content !== 'string') {
      throw new MisfitError('The file has changed just now. Nothing was changed. Read it again.');
    }
    const content = { ...(before.content as object), cells };
    if (this._options.isOpenHere(path)) {
      throw new MisfitError(
        'The notebook was opened just now. Nothing was changed. Read it again.'
      );
    }
    if (this._options.isInEditor(path)) {
      throw new MisfitError(
        'The notebook is open in a text editor, which would save over the edit. Nothing was changed. ' +
          'Ask the person to close the editor, or to open the file as a notebook.'
      );
    }
    const { last_modified } = await this._files.save(path, {
      type: 'notebook',
      format: 'json',
      content
    });
    this._keep(callId, { path, text: bytes.content, last_modified });
    return content;
  }

  /** Whether this page can restore the file as it was before a call. */
  canUndo(callId: string): boolean {
    return this._oldFiles.has(callId);
  }

  /** Restore the old file, if nobody has changed the file since the call, and no page has it open. */
  async undo(callId: string): Promise<UndoResult> {
    const oldFile = this._oldFiles.get(callId);
    if (oldFile === undefined) {
      return 'changed';
    }
    const { path, text, last_modified } = oldFile;
    const { isOpenHere, isOpenElsewhere, isInEditor } = this._options;
    const isElsewhere = !isOpenHere(path) && (await isOpenElsewhere(path));
    const file = await this._files.get(path, { content: false });
    if (isElsewhere || isOpenHere(path) || isInEditor(path)) {
      return 'open';
    }
    const isSame = file.last_modified === last_modified;
    if (isSame) {
      await this._files.save(path, { type: 'file', format: 'text', content: text });
    }
    this._oldFiles.delete(callId);
    this._notify();
    return isSame ? 'done' : 'changed';
  }

  private async _check(path: string): Promise<CheckedCells> {
    const isRunning = (): boolean => false;
    let file: CheckedFile | undefined;
    try {
      file = await this._readIfChanged(path);
    } catch (error) {
      if (!(error instanceof MisfitError)) {
        throw error;
      }
      file = this._checks.get(path); // the server did not respond: the file may still be the same
    }
    if (file === undefined) {
      return { cells: [], isRunning, obstacle: 'unreadable' };
    }
    const isInEditor = this._options.isInEditor(path);
    const obstacle = !file.writable ? 'readonly' : isInEditor ? 'editor' : null;
    return { cells: file.cells, isRunning, obstacle };
  }

  private async _readIfChanged(path: string): Promise<CheckedFile> {
    const { last_modified, writable } = await this._get(path, { content: false });
    const cachedFile = this._checks.get(path);
    let file: CheckedFile;
    if (cachedFile !== undefined && cachedFile.last_modified === last_modified) {
      file = { ...cachedFile, writable };
    } else {
      const read = await this._get(path);
      this._checks.delete(path); // its cells may be invalid
      file = { cells: fileCells(read.content), last_modified: read.last_modified, writable };
    }
    this._checks.set(path, file);
    forgetOldest(this._checks, MOST_CHECKED);
    return file;
  }

  private async _get(path: string, options: FileOptions = WHOLE): Promise<FileModel> {
    try {
      return await this._files.get(path, options);
    } catch (error) {
      const { status } = fieldsOf(fieldsOf(error)['response']);
      if (status === 400 || status === 404) {
        this._checks.delete(path); // it is no notebook any more, or it is gone
      }
      throw new MisfitError('The notebook is not open, and its file could not be read.');
    }
  }

  private _keep(callId: string, file: KeptFile): void {
    this._oldFiles.set(callId, file);
    forgetOldest(this._oldFiles, MOST_KEPT);
    this._notify();
  }

  private readonly _files: NotebookFiles;
  /** By path: the check under way. Bound: one for each path whose card is visible. */
  private readonly _checking = new Map<string, Promise<CheckedCells>>();
  /** By path: the file at its last successful check. Bound: MOST_CHECKED; others are read again. */
  private readonly _checks = new Map<string, CheckedFile>();
  private readonly _oldFiles = new Map<string, KeptFile>();
}
