/**
 * The list that a composer shows behind an `@` or a `/`: what it offers, and which option is active.
 *
 * It asks for variables and folders once for each time that it opens, and never waits for them: the
 * list grows when they arrive. What arrives after the list was closed is dropped.
 */
import { type SlashCommand, slashOptions } from '../composer/slash';
import { type FolderEntry } from '../connection/folders';
import { Store } from '../state/store';
import { type NoAnswer, type Place, type Workspace } from '../workspace/values';
import { type MentionOption, type MentionSources, folderOf, mentionOptions } from './options';
import { type MentionQuery, mentionAt } from './query';

export type CompletionOption =
  MentionOption | { readonly kind: 'command'; readonly command: SlashCommand };

export interface CompletionState {
  /** The text for which the options hold. */
  readonly text: string;
  readonly query: MentionQuery | null;
  readonly options: readonly CompletionOption[];
  /** The index of the active option. */
  readonly active: number;
  /** Why there are no variables; null if there are, or if nobody asks for them. */
  readonly obstacle: NoAnswer | null;
}

interface CompletionOptions {
  readonly workspace: Workspace | null;
  readonly listFolder: (path: string) => Promise<readonly FolderEntry[]>;
}

const CLOSED: CompletionState = { text: '', query: null, options: [], active: 0, obstacle: null };
const NO_SOURCES: MentionSources = { cells: [], cellId: null, variables: null, entries: null };

export class Completion extends Store<CompletionState> {
  constructor(private readonly _options: CompletionOptions) {
    super(CLOSED);
  }

  /** The notebook and cell that the present list is about. */
  get place(): Place | null {
    return this._place;
  }

  /** The text or the caret has changed. `node` is in the chat: it decides which notebook is asked. */
  update(text: string, caret: number, node: Node): void {
    const query = mentionAt(text, caret);
    const commands = slashOptions(text, caret);
    const start = query?.start ?? (commands.length > 0 ? 0 : null);
    if (start === null || start !== this._dismissed) {
      this._dismissed = null;
    }
    if (start === null || this._dismissed !== null) {
      this._end(text);
      return;
    }
    if (query !== null) {
      this._open(node);
      this._read(query);
    }
    const { query: before } = this._state;
    const isSame =
      query === null
        ? text === this._state.text
        : query.text === before?.text && query.kind === before.kind;
    this._caret = { text, query, commands };
    this._show(isSame ? this._state.active : 0);
  }

  /** Make the next or an earlier option the active one; behind the last one comes the first. */
  step(by: number): void {
    const { length } = this._state.options;
    if (length > 0) {
      this._set({ active: (this._state.active + by + length) % length });
    }
  }

  /** Close the list. It stays closed for this word. */
  dismiss(): void {
    this._dismissed = this._state.query?.start ?? 0;
    this._end(this._state.text);
  }

  /** Close the list: the field has lost the focus. */
  close(): void {
    if (this._caret !== null) {
      this._end(this._state.text);
    }
  }

  private _open(node: Node): void {
    if (this._isOpen) {
      return;
    }
    this._isOpen = true;
    const { workspace } = this._options;
    const place = workspace?.placeOf(node) ?? null;
    this._place = place;
    this._base = this._folderOfNotebook(place);
    const cells = place === null ? [] : (workspace?.cells(place.path) ?? []);
    this._sources = { ...NO_SOURCES, cells, cellId: place?.cellId ?? null };
    this._folder = null;
    if (workspace !== null && place !== null) {
      const turn = this._turn;
      void workspace.variables(place.path).then(variables => this._addSources(turn, { variables }));
    }
  }

  /** Ask for the entries of the query's folder, unless they are known. */
  private _read({ kind, text }: MentionQuery): void {
    const folder = folderOf(text, this._base);
    const isWanted = kind === 'file' || (kind === null && text !== '');
    if (!isWanted || folder === this._folder) {
      return;
    }
    this._folder = folder;
    this._sources = { ...this._sources, entries: null };
    const turn = this._turn;
    const addEntries = (entries: readonly FolderEntry[]): void => {
      if (folder === this._folder) {
        this._addSources(turn, { entries });
      }
    };
    // A folder that cannot be read offers nothing.
    this._options.listFolder(folder).then(addEntries, () => addEntries([]));
  }

  private _addSources(turn: number, sources: Partial<MentionSources>): void {
    if (turn === this._turn && this._isOpen) {
      this._sources = { ...this._sources, ...sources };
      this._show(this._state.active);
    }
  }

  private _show(active: number): void {
    if (this._caret === null) {
      return;
    }
    const { text, query, commands } = this._caret;
    const options: readonly CompletionOption[] =
      query === null
        ? commands.map(command => ({ kind: 'command', command }))
        : mentionOptions(query, this._sources);
    const { variables } = this._sources;
    const isAsked = query?.kind === 'variable' && variables !== null;
    const obstacle = isAsked && variables.state !== 'known' ? variables.state : null;
    const last = Math.max(0, options.length - 1);
    this._set({ text, query, options, active: Math.min(active, last), obstacle });
  }

  private _end(text: string): void {
    this._isOpen = false;
    this._caret = null;
    this._turn += 1;
    if (this._state.options.length > 0 || this._state.obstacle !== null) {
      this._replace({ ...CLOSED, text });
    } else {
      this._state = { ...CLOSED, text };
    }
  }

  private _folderOfNotebook(place: Place | null): string {
    const notebooks = this._options.workspace?.notebooks() ?? [];
    const path = notebooks.find(notebook => notebook.path === place?.path)?.localPath ?? '';
    return path.slice(0, Math.max(0, path.lastIndexOf('/')));
  }

  private _sources = NO_SOURCES;
  private _caret: {
    readonly text: string;
    readonly query: MentionQuery | null;
    readonly commands: readonly SlashCommand[];
  } | null = null;
  private _place: Place | null = null;
  private _base = '';
  private _folder: string | null = null;
  private _isOpen = false;
  /** The start of the word for which somebody has closed the list. */
  private _dismissed: number | null = null;
  /** Counts the closings: answers to an earlier opening are dropped. */
  private _turn = 0;
}
