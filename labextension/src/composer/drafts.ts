/**
 * Drafts: what was typed, attached and mentioned, and not yet sent. They survive a reload of the page.
 *
 * A draft carries the idempotency key of its first attempt to send. Sent again unchanged, it is the
 * same message (L11); a changed draft is another message and gets another key.
 */
import { fieldsOf } from '../protocol/fields';
import { readStored, writeStored } from '../state/stored';

/** An attachment of a draft. */
export interface DraftAttachment {
  /** The server's id; null if the file was not uploaded yet. */
  readonly id: string | null;
  readonly name: string;
  readonly type: string;
  readonly size: number;
}

/** A text that a model reads before the message: a cell, an output, a variable. */
export interface DraftContext {
  /** Another one for each time that the thing is mentioned. */
  readonly key: string;
  /** What is mentioned; two things may have one name. */
  readonly id: string;
  readonly name: string;
  readonly text: string;
  /** Whether the text is shorter than what was mentioned. */
  readonly isCut: boolean;
}

export interface Draft {
  readonly text: string;
  readonly key: string | null;
  readonly attachments: readonly DraftAttachment[];
  readonly context: readonly DraftContext[];
  /** The draft that was set aside while a sent text is in the field; null if none was. */
  readonly aside: string | null;
}

export interface DraftStore {
  load(threadId: string): Draft;
  /** Store a draft; an empty one removes the stored one. */
  save(threadId: string, draft: Draft): void;
}

export const NO_DRAFT: Draft = {
  text: '',
  key: null,
  attachments: [],
  context: [],
  aside: null
};

/** Drafts in the storage of the browser tab, so that two tabs do not share drafts. */
export class StoredDrafts implements DraftStore {
  constructor(private readonly _storage: () => Storage) {}

  load(threadId: string): Draft {
    return parseDraft(readStored(this._storage, PREFIX + threadId));
  }

  save(threadId: string, draft: Draft): void {
    writeStored(this._storage, PREFIX + threadId, isBlank(draft) ? null : draft);
  }
}

const PREFIX = 'jupyter-chat-stream:draft:';

function isBlank({ text, attachments, context, aside }: Draft): boolean {
  return text === '' && attachments.length === 0 && context.length === 0 && aside === null;
}

/** Read a stored draft; a page of before knew neither attachments nor context. */
function parseDraft(value: unknown): Draft {
  const { text, key, attachments, context, aside } = fieldsOf(value);
  if (typeof text !== 'string' || (key !== null && typeof key !== 'string')) {
    return NO_DRAFT;
  }
  return {
    text,
    key,
    attachments: Array.isArray(attachments) ? attachments.filter(isAttachment) : [],
    context: Array.isArray(context) ? context.filter(isContext).map(withId) : [],
    aside: typeof aside === 'string' ? aside : null
  };
}

type StoredContext = Omit<DraftContext, 'id'> & { readonly id?: unknown };

/** A page of before did not store what was mentioned, only its name. */
function withId(item: StoredContext): DraftContext {
  return { ...item, id: typeof item.id === 'string' ? item.id : `name:${item.name}` };
}

function isContext(value: unknown): value is StoredContext {
  const { key, name, text, isCut } = fieldsOf(value);
  const isNamed = typeof key === 'string' && typeof name === 'string';
  return isNamed && typeof text === 'string' && typeof isCut === 'boolean';
}

function isAttachment(value: unknown): value is DraftAttachment {
  const { id, name, type, size } = fieldsOf(value);
  const isNamed = typeof name === 'string' && typeof type === 'string';
  return isNamed && typeof size === 'number' && (id === null || typeof id === 'string');
}
