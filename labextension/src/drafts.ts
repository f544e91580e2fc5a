/**
 * What was typed and not yet sent, kept so that a reload does not lose it.
 *
 * A draft carries the idempotency key of its first attempt to send: sent again unchanged it is the
 * same message (L11); changed, it is another and gets another key.
 */

export interface Draft {
  readonly text: string;
  readonly key: string | null;
}

export interface DraftStore {
  load(threadId: string): Draft;
  /** Keep it; an empty text removes it. */
  save(threadId: string, draft: Draft): void;
}

export const NO_DRAFT: Draft = { text: '', key: null };

/** Drafts in the tab's own storage: they survive a reload, and tabs do not mix theirs. */
export class StoredDrafts implements DraftStore {
  constructor(storage: () => Storage) {
    this._storage = storage;
  }

  load(threadId: string): Draft {
    try {
      const kept: unknown = JSON.parse(this._storage().getItem(PREFIX + threadId) ?? 'null');
      return isDraft(kept) ? kept : NO_DRAFT;
    } catch {
      // Storage is forbidden here, or holds something else: there is no draft then.
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
      // Full or forbidden: the draft lives as long as the page.
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
