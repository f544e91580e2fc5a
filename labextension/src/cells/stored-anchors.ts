/**
 * Keeps anchors in this browser, for cells whose notebook was not saved afterwards.
 *
 * The anchors contain only ids. Bounded: the anchors of the newest cells are kept. Without the browser's
 * storage, only these anchors are lost.
 */
import { type AnchorData } from './anchors';

const KEY = 'jupyter-chat-stream:anchors';
const MOST_CELLS = 100;

export class StoredAnchors {
  constructor(storage: () => Storage) {
    this._storage = storage;
  }

  load(path: string, cellId: string): unknown {
    return this._entries().find(([key]) => key === keyOf(path, cellId))?.[1];
  }

  /** Keep the anchor of a cell; null forgets it. */
  save(path: string, cellId: string, anchor: AnchorData | null): void {
    const key = keyOf(path, cellId);
    const others = this._entries().filter(([other]) => other !== key);
    const entries = anchor === null ? others : [...others, [key, anchor]];
    try {
      this._storage().setItem(KEY, JSON.stringify(entries.slice(-MOST_CELLS)));
    } catch {
      // The storage is off or full. The metadata of the cell still has the anchor.
    }
  }

  private _entries(): (readonly [string, unknown])[] {
    try {
      const all: unknown = JSON.parse(this._storage().getItem(KEY) ?? '[]');
      return Array.isArray(all)
        ? all.filter(
            (entry): entry is [string, unknown] => Array.isArray(entry) && entry.length === 2
          )
        : [];
    } catch {
      return [];
    }
  }

  private readonly _storage: () => Storage;
}

function keyOf(path: string, cellId: string): string {
  return `${path}#${cellId}`;
}
