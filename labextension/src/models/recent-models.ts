/** The ids of the models that this browser used last, newest first. */
import { readStored, writeStored } from '../state/stored';

export interface RecentModels {
  load(): readonly string[];
  add(id: string): void;
}

const MAX_RECENT_MODELS = 5;
const KEY = 'jupyter-chat-stream:recent-models';

/** The list in a storage of the browser, which all its tabs share. */
export class StoredRecentModels implements RecentModels {
  constructor(private readonly _storage: () => Storage) {}

  load(): readonly string[] {
    const value = readStored(this._storage, KEY);
    const list: readonly unknown[] = Array.isArray(value) ? value : [];
    return list.filter(id => typeof id === 'string').slice(0, MAX_RECENT_MODELS);
  }

  add(id: string): void {
    const list = [id, ...this.load().filter(other => other !== id)].slice(0, MAX_RECENT_MODELS);
    writeStored(this._storage, KEY, list);
  }
}
