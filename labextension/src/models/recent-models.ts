/** The ids of the models that this browser used last, newest first. */

export interface RecentModels {
  load(): readonly string[];
  add(id: string): void;
}

export const MAX_RECENT_MODELS = 5;
const KEY = 'jupyter-chat-stream:recent-models';

/** The list in a storage of the browser, which all its tabs share. */
export class StoredRecentModels implements RecentModels {
  constructor(storage: () => Storage) {
    this._storage = storage;
  }

  load(): readonly string[] {
    try {
      const kept: unknown = JSON.parse(this._storage().getItem(KEY) ?? '[]');
      const list: readonly unknown[] = Array.isArray(kept) ? kept : [];
      return list.filter(id => typeof id === 'string').slice(0, MAX_RECENT_MODELS);
    } catch {
      // The browser forbids storage, or the stored value is no JSON: nothing is known.
      return [];
    }
  }

  add(id: string): void {
    const list = [id, ...this.load().filter(other => other !== id)].slice(0, MAX_RECENT_MODELS);
    try {
      this._storage().setItem(KEY, JSON.stringify(list));
    } catch {
      // Storage is full or forbidden: the list is not kept.
    }
  }

  private readonly _storage: () => Storage;
}
