/**
 * The live context of a chat: the parts of the notebook that messages send along, and a person's choice
 * among them. Pure, except for the browser's storage.
 *
 * The page reads live context from the open notebook only when a message is sent, and keeps no snapshot.
 * A person chooses for each thread, in this browser, which kinds are sent. A thread without a choice follows
 * the setting `notebookContext`.
 */
import { type Mention } from '../composer/context-items';
import { Store } from '../state/store';
import { readStored, writeStored } from '../state/stored';
import { type Preferences } from './preferences';

export const CONTEXT_KINDS = ['outline', 'cell', 'error'] as const;
export type ContextKind = (typeof CONTEXT_KINDS)[number];

/** A part of a notebook that can be sent with a message. */
export interface LiveItem {
  readonly kind: ContextKind;
  /** Identifies the part, such as a cell by path and id. A mention of the same part has the same id. */
  readonly id: string;
  /** The name of the part, for people and for the model. */
  readonly name: string;
  /** One line for people, shown beside the name. */
  readonly summary: string;
  /** The text that an up-to-date mention of the same part has. */
  readonly core: string;
  /** The whole text for the model, bounded. */
  readonly text: () => string;
}

/** A chat on the page: where it is drawn, and which thread it shows. */
export interface DrawnChat {
  readonly node: Node;
  readonly threadId: string;
  readonly name: string | null;
  /** The absolute path of the thread's folder. */
  readonly project: string;
}

/** The notebooks of the page, as live context reads them. */
export interface LiveSource {
  /** The name of the open notebook to which a chat belongs; null if there is none. */
  notebookOf(chat: DrawnChat): string | null;
  /** The items that can be sent now; empty without a notebook. */
  read(chat: DrawnChat): readonly LiveItem[];
  /** Call `listener` some time after the result of `read` may have changed. */
  subscribe(listener: () => void): () => void;
}

/** The items of the wanted kinds, without items that the draft mentions already. */
export function wantedItems(
  items: readonly LiveItem[],
  kinds: readonly ContextKind[],
  mentions: readonly Mention[]
): readonly LiveItem[] {
  const isTold = (item: LiveItem): boolean =>
    mentions.some(({ id, text }) => id === item.id && text.includes(item.core));
  return items.filter(item => kinds.includes(item.kind) && !isTold(item));
}

/** Immutable. */
export interface ChoiceState {
  /** The kinds that are sent with each message of the thread. */
  readonly on: readonly ContextKind[];
  /** The kinds that the person has removed from the next message. */
  readonly removed: readonly ContextKind[];
}

/** A person's choice for one thread. */
export class ContextChoice extends Store<ChoiceState> {
  constructor(
    private readonly _threadId: string,
    private readonly _storage: StoredChoices,
    private readonly _preferences: Preferences
  ) {
    super({ on: [], removed: [] });
    this._ownKinds = _storage.load(_threadId);
    this._set({});
    _preferences.subscribe(() => this._set({}));
  }

  /** Turn a kind on or off for all later messages of the thread. */
  setOn(kind: ContextKind, isOn: boolean): void {
    this._ownKinds = CONTEXT_KINDS.filter(other =>
      other === kind ? isOn : this._on.includes(other)
    );
    this._storage.save(this._threadId, this._ownKinds);
    this.setRemoved(kind, false);
  }

  /** Remove a kind from the next message, or put it back. */
  setRemoved(kind: ContextKind, isRemoved: boolean): void {
    const others = this._state.removed.filter(other => other !== kind);
    this._set({ removed: isRemoved ? [...others, kind] : others });
  }

  /** Remember the removed kinds, because a message is being sent without them. */
  sending(): void {
    this._omitted = this._state.removed;
  }

  /** Restore those kinds after the message was sent. Kinds that were removed since stay removed. */
  restore(): void {
    this._set({ removed: this._state.removed.filter(kind => !this._omitted.includes(kind)) });
  }

  private get _on(): readonly ContextKind[] {
    return this._ownKinds ?? (this._preferences.getState().notebookContext ? CONTEXT_KINDS : []);
  }

  protected override _set(change: Partial<ChoiceState>): void {
    super._set({ ...change, on: this._on });
  }

  private _omitted: readonly ContextKind[] = [];
  /** Null while the thread follows the setting. */
  private _ownKinds: readonly ContextKind[] | null;
}

/** The choices of a page, one for each thread. They live as long as the page. */
export class ContextChoices {
  constructor(
    private readonly _storage: StoredChoices,
    private readonly _preferences: Preferences
  ) {}

  of(threadId: string): ContextChoice {
    const oldChoice = this._choices.get(threadId);
    const choice = oldChoice ?? new ContextChoice(threadId, this._storage, this._preferences);
    this._choices.set(threadId, choice);
    return choice;
  }

  private readonly _choices = new Map<string, ContextChoice>();
}

const KEY = 'jupyter-chat-stream:live-context';
/** For how many threads choices are kept: the threads whose choice was changed last. */
const MOST_THREADS = 500;

/** The choices in the browser's storage: for each thread, the kinds that are on. */
export class StoredChoices {
  constructor(private readonly _storage: () => Storage) {}

  load(threadId: string): readonly ContextKind[] | null {
    const kinds = this._entries().find(([id]) => id === threadId)?.[1];
    return kinds === undefined ? null : CONTEXT_KINDS.filter(kind => kinds.includes(kind));
  }

  save(threadId: string, kinds: readonly ContextKind[]): void {
    const others = this._entries().filter(([id]) => id !== threadId);
    writeStored(this._storage, KEY, [...others, [threadId, kinds]].slice(-MOST_THREADS));
  }

  private _entries(): (readonly [string, readonly unknown[]])[] {
    const value = readStored(this._storage, KEY);
    return Array.isArray(value) ? value.filter(isEntry) : [];
  }
}

function isEntry(value: unknown): value is readonly [string, readonly unknown[]] {
  return Array.isArray(value) && typeof value[0] === 'string' && Array.isArray(value[1]);
}
