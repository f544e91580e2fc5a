/**
 * The live context of a chat: what its messages send along of its notebook, and what a person has
 * chosen of it. Pure, but for the browser's storage.
 *
 * Live context is read from the open notebook when a message is sent, and never before: no snapshot
 * of it is kept. Which kinds travel is a choice of a person for a thread, in this browser. A thread
 * without a choice follows the setting `notebookContext`.
 */
import { type Mention } from '../composer/context-items';
import { Store } from '../state/store';
import { readStored, writeStored } from '../state/stored';
import { type Preferences } from './preferences';

export const CONTEXT_KINDS = ['outline', 'cell', 'error'] as const;
export type ContextKind = (typeof CONTEXT_KINDS)[number];

/** Something of a notebook that can travel with a message. */
export interface LiveItem {
  readonly kind: ContextKind;
  /** What it is, such as a cell by its path and id: a mention of the same thing has the same id. */
  readonly id: string;
  /** How people and the model call it. */
  readonly name: string;
  /** What people read beside the name, in one line. */
  readonly summary: string;
  /** The text that a mention of the same thing has, if the mention is up to date. */
  readonly core: string;
  /** The whole text for the model, bounded. */
  readonly text: () => string;
}

/** A chat on the page: where it is drawn, and which thread it shows. */
export interface DrawnChat {
  readonly node: Node;
  readonly threadId: string;
  readonly name: string | null;
  /** The absolute path of the folder that the name belongs to. */
  readonly project: string;
}

/** The notebooks of the page, as live context reads them. */
export interface LiveSource {
  /** The name of the open notebook that a chat belongs to; null if it belongs to none. */
  notebookOf(chat: DrawnChat): string | null;
  /** What can travel now; empty without a notebook. */
  read(chat: DrawnChat): readonly LiveItem[];
  /** Call `listener` some time after the result of `read` may have changed. */
  subscribe(listener: () => void): () => void;
}

/** The items of the wanted kinds that no mention of the draft tells already. */
export function wantedItems(
  items: readonly LiveItem[],
  kinds: readonly ContextKind[],
  mentions: readonly Mention[]
): readonly LiveItem[] {
  const isTold = (item: LiveItem): boolean =>
    mentions.some(({ id, text }) => id === item.id && text.includes(item.core));
  return items.filter(item => kinds.includes(item.kind) && !isTold(item));
}

/** Immutable: a change makes a new object. */
export interface ChoiceState {
  /** What travels with each message of the thread. */
  readonly on: readonly ContextKind[];
  /** What was taken off the message that is being written. */
  readonly removed: readonly ContextKind[];
}

/** What a person has chosen for one thread. */
export class ContextChoice extends Store<ChoiceState> {
  constructor(
    private readonly _threadId: string,
    private readonly _stored: StoredChoices,
    private readonly _preferences: Preferences
  ) {
    super({ on: [], removed: [] });
    this._own = _stored.load(_threadId);
    this._set({});
    _preferences.subscribe(() => this._set({}));
  }

  /** Turn a kind on or off for all later messages of the thread. */
  setOn(kind: ContextKind, isOn: boolean): void {
    this._own = CONTEXT_KINDS.filter(one => (one === kind ? isOn : this._on.includes(one)));
    this._stored.save(this._threadId, this._own);
    this.setRemoved(kind, false);
  }

  /** Take a kind off the message that is being written, or put it back. */
  setRemoved(kind: ContextKind, isRemoved: boolean): void {
    const others = this._state.removed.filter(one => one !== kind);
    this._set({ removed: isRemoved ? [...others, kind] : others });
  }

  /** A message is being sent without the kinds that are removed now. */
  sending(): void {
    this._left = this._state.removed;
  }

  /** It was sent: the next message has those kinds. What was removed meanwhile stays removed. */
  sent(): void {
    this._set({ removed: this._state.removed.filter(kind => !this._left.includes(kind)) });
  }

  private get _on(): readonly ContextKind[] {
    return this._own ?? (this._preferences.getState().notebookContext ? CONTEXT_KINDS : []);
  }

  protected override _set(change: Partial<ChoiceState>): void {
    super._set({ ...change, on: this._on });
  }

  private _left: readonly ContextKind[] = [];
  /** Null while the thread follows the setting. */
  private _own: readonly ContextKind[] | null;
}

/** The choices of a page, one for each thread. They live as long as the page. */
export class ContextChoices {
  constructor(
    private readonly _stored: StoredChoices,
    private readonly _preferences: Preferences
  ) {}

  of(threadId: string): ContextChoice {
    const known = this._choices.get(threadId);
    const choice = known ?? new ContextChoice(threadId, this._stored, this._preferences);
    this._choices.set(threadId, choice);
    return choice;
  }

  private readonly _choices = new Map<string, ContextChoice>();
}

const KEY = 'jupyter-chat-stream:live-context';
/** The choices of so many threads are kept, those that were changed last. */
const MOST_THREADS = 500;

/** The choices in a storage of the browser: for each thread, the kinds that are on. */
export class StoredChoices {
  constructor(private readonly _storage: () => Storage) {}

  load(threadId: string): readonly ContextKind[] | null {
    const kinds = this._all().find(([id]) => id === threadId)?.[1];
    return kinds === undefined ? null : CONTEXT_KINDS.filter(kind => kinds.includes(kind));
  }

  save(threadId: string, kinds: readonly ContextKind[]): void {
    const others = this._all().filter(([id]) => id !== threadId);
    writeStored(this._storage, KEY, [...others, [threadId, kinds]].slice(-MOST_THREADS));
  }

  private _all(): (readonly [string, readonly unknown[]])[] {
    const all = readStored(this._storage, KEY);
    return Array.isArray(all) ? all.filter(isEntry) : [];
  }
}

function isEntry(value: unknown): value is readonly [string, readonly unknown[]] {
  return Array.isArray(value) && typeof value[0] === 'string' && Array.isArray(value[1]);
}
