/**
 * Drafts: text that was typed and not yet sent. They survive a reload of the page.
 *
 * A draft carries the idempotency key of its first attempt to send. Sent again unchanged, it is the
 * same message (L11); a changed draft is another message and gets another key.
 */

export interface Draft {
  readonly text: string;
  readonly key: string | null;
}

export interface DraftStore {
  load(threadId: string): Draft;
  /** Store a draft; an empty text removes the stored one. */
  save(threadId: string, draft: Draft): void;
}

export const NO_DRAFT: Draft = { text: '', key: null };

/** Drafts in the storage of the browser tab, so that two tabs do not share drafts. */
export class StoredDrafts implements DraftStore {
  constructor(storage: () => Storage) {
    this._storage = storage;
  }

  load(threadId: string): Draft {
    try {
      const kept: unknown = JSON.parse(this._storage().getItem(PREFIX + threadId) ?? 'null');
      return isDraft(kept) ? kept : NO_DRAFT;
    } catch {
      // The browser forbids storage, or the stored value is no JSON: there is no draft.
      return NO_DRAFT;
    }
  }

  save(threadId: string, draft: Draft): void {
    try {
      if (draft.text === '') {
        this._storage().removeItem(PREFIX + threadId);
      } else {
        this._storage().setItem(PREFIX + threadId, JSON.stringify(draft));
      }
    } catch {
      // Storage is full or forbidden: the draft is lost with the page.
    }
  }

  private readonly _storage: () => Storage;
}

const PREFIX = 'jupyter-chat-stream:draft:';

function isDraft(value: unknown): value is Draft {
  if (typeof value !== 'object' || value === null) {
    return false;
  }
  const { text, key } = value as Record<string, unknown>;
  return typeof text === 'string' && (key === null || typeof key === 'string');
}
