/**
 * Which messages of a long thread are drawn. Pure.
 *
 * Only messages near the screen are drawn. Any other is a box of its height with its source text, so
 * that the scroll bar, the browser's own search and a selection over many messages stay true. Bound:
 * the messages near the screen, `KEPT` others, and those that the reader is using.
 */

/** So many messages at the end are drawn at once; a place that is opened has as many around it. */
export const NEAR = 12;
/** So many messages that are no longer near stay drawn, for a reader who scrolls back. */
const KEPT = 60;

interface DrawnRow {
  /** The height in px as it is drawn now. */
  readonly height: number;
  /** Whether the reader is using it: the focus, a selection or an open part is in it. */
  readonly isUsed: boolean;
}

export class DrawnWindow {
  /** Whether a message is drawn; a message that was never admitted is. */
  isDrawn(id: string): boolean {
    return !this._undrawnIds.has(id);
  }

  /** The height of a message when it was last drawn; null if it never was. */
  heightOf(id: string): number | null {
    return this._heights.get(id) ?? null;
  }

  /** Call `listener` when one of these messages is drawn or no longer drawn. */
  subscribe(ids: readonly string[], listener: () => void): () => void {
    for (const id of ids) {
      this._listeners.set(id, [...(this._listeners.get(id) ?? []), listener]);
    }
    return () => {
      for (const id of ids) {
        const rest = (this._listeners.get(id) ?? []).filter(other => other !== listener);
        if (rest.length === 0) {
          this._listeners.delete(id);
        } else {
          this._listeners.set(id, rest);
        }
      }
    };
  }

  /**
   * Take in new messages of the thread, in their order: those at the end are drawn at once, or
   * those around `around` if it is one of them.
   */
  admit(ids: readonly string[], around: string | null): void {
    const at = around === null ? -1 : ids.indexOf(around);
    const first = at < 0 ? ids.length - NEAR : at - NEAR / 2;
    const last = at < 0 ? ids.length : at + NEAR;
    for (const [index, id] of ids.entries()) {
      if (!this._ids.has(id)) {
        this._ids.add(id);
        if (index < first || index >= last) {
          this._undrawnIds.add(id);
        }
      }
    }
  }

  /**
   * Draw the messages that are near. The ones that were near longest ago are undrawn once there are
   * too many; `rowOf` is asked for each of those.
   */
  show(nearIds: readonly string[], rowOf: (id: string) => DrawnRow | null): void {
    const before = this._nearIds;
    this._nearIds = new Set(nearIds);
    for (const id of before) {
      if (!this._nearIds.has(id)) {
        this._farIds.delete(id);
        this._farIds.add(id);
      }
    }
    const newIds = nearIds.filter(id => this._undrawnIds.delete(id));
    nearIds.forEach(id => this._farIds.delete(id));
    this._tell([...newIds, ...this._undrawOldest(rowOf)]);
  }

  /** Draw these in addition to the ones that are near. */
  draw(ids: readonly string[]): void {
    const newIds = ids.filter(id => this._undrawnIds.delete(id));
    newIds.forEach(id => this._farIds.add(id));
    this._tell(newIds);
  }

  private _tell(ids: readonly string[]): void {
    new Set(ids.flatMap(id => this._listeners.get(id) ?? [])).forEach(listener => listener());
  }

  private _undrawOldest(rowOf: (id: string) => DrawnRow | null): string[] {
    const removedIds: string[] = [];
    for (const id of this._farIds) {
      if (this._farIds.size - removedIds.length <= KEPT) {
        break;
      }
      const row = rowOf(id);
      if (row !== null && !row.isUsed) {
        this._heights.set(id, row.height);
        this._undrawnIds.add(id);
        removedIds.push(id);
      }
    }
    removedIds.forEach(id => this._farIds.delete(id));
    return removedIds;
  }

  private readonly _ids = new Set<string>();
  private readonly _undrawnIds = new Set<string>();
  private readonly _heights = new Map<string, number>();
  private readonly _listeners = new Map<string, readonly (() => void)[]>();
  private _nearIds = new Set<string>();
  /** The drawn messages that are no longer near; the one that left the screen first comes first. */
  private readonly _farIds = new Set<string>();
}
