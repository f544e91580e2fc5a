/**
 * What a person changes in the list of threads: a title, a pin, the archive, a deletion.
 *
 *     delete ──► hidden for 8 s ──► DELETE ──► gone
 *                   │ undo            │ refused
 *                   └──► shown again ◄┘
 *
 * A change is shown at once, over the row that the server has sent, until the server responds. A
 * deletion waits before it is sent, so that it can be undone without a copy of the thread. When the
 * page is closed, waiting deletions are sent at once.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Api, ApiError } from '../connection/api';
import { type Clock } from '../connection/connection';
import { explain } from '../connection/thread-ends';
import { parseRow } from '../protocol/parse';
import { type ThreadRow } from '../protocol/records';

/** So long a deletion can be undone. */
export const UNDO_MS = 8_000;

type RowFields = Partial<Pick<ThreadRow, 'title' | 'pinned' | 'archived'>>;

interface RowChangesOptions {
  readonly api: Api;
  readonly clock: Clock;
  readonly trans: TranslationBundle;
  /** Something that is shown has changed. */
  readonly onChange: () => void;
  /** The server has sent a row. */
  readonly onRow: (row: ThreadRow) => void;
  /** The thread was deleted. */
  readonly onGone: (id: string) => void;
}

export class RowChanges {
  constructor(private readonly _options: RowChangesOptions) {}

  /** Why the last change failed; null if none did, or the reader has seen it. */
  problem: string | null = null;

  /** The threads whose deletion can still be undone, newest first. */
  get deleting(): readonly ThreadRow[] {
    const waiting = [...this._deletions.values()].filter(it => it.cancel !== null);
    return waiting.map(it => it.row).reverse();
  }

  isHidden(id: string): boolean {
    return this._deletions.has(id);
  }

  /** A row with the changes that are on their way. */
  shown(row: ThreadRow): ThreadRow {
    const changes = this._changes.get(row.id) ?? [];
    return changes.reduce<ThreadRow>((shown, fields) => ({ ...shown, ...fields }), row);
  }

  /** Send a change of a thread. Returns whether the server has accepted it. */
  async change(id: string, fields: RowFields): Promise<boolean> {
    const { api, trans, onRow, onChange } = this._options;
    this._changes.set(id, [...(this._changes.get(id) ?? []), fields]);
    this.problem = null;
    onChange();
    try {
      const path = `threads/${encodeURIComponent(id)}`;
      onRow(parseRow(await api.request({ method: 'PATCH', path, body: fields })));
      return true;
    } catch (error) {
      this.problem = explain(error, trans);
      return false;
    } finally {
      const left = (this._changes.get(id) ?? []).filter(other => other !== fields);
      if (left.length > 0) {
        this._changes.set(id, left);
      } else {
        this._changes.delete(id);
      }
      onChange();
    }
  }

  /** Hide a thread now, and delete it when this can no longer be undone. */
  remove(row: ThreadRow): void {
    if (this._deletions.has(row.id)) {
      return;
    }
    const cancel = this._options.clock.later(() => void this._send(row.id, false), UNDO_MS);
    this._deletions.set(row.id, { row, cancel });
    this.problem = null;
    this._options.onChange();
  }

  /** Show a thread again that was to be deleted. */
  undo(id: string): void {
    const deletion = this._deletions.get(id);
    if (deletion !== undefined && deletion.cancel !== null) {
      deletion.cancel();
      this._deletions.delete(id);
      this._options.onChange();
    }
  }

  /** The page is being closed: send what waits. */
  flush(): void {
    this.deleting.forEach(row => void this._send(row.id, true));
  }

  dismiss(): void {
    this.problem = null;
    this._options.onChange();
  }

  private async _send(id: string, isLast: boolean): Promise<void> {
    const deletion = this._deletions.get(id);
    if (deletion === undefined || deletion.cancel === null) {
      return;
    }
    deletion.cancel();
    deletion.cancel = null;
    const { api, trans, onChange, onGone } = this._options;
    onChange();
    try {
      const path = `threads/${encodeURIComponent(id)}`;
      await api.request({ method: 'DELETE', path, isLast });
      onGone(id);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        onGone(id);
      } else {
        this.problem = explain(error, trans);
      }
    }
    this._deletions.delete(id);
    onChange();
  }

  /** By thread: the changes that are on their way, oldest first. */
  private readonly _changes = new Map<string, readonly RowFields[]>();
  private readonly _deletions = new Map<
    string,
    { readonly row: ThreadRow; cancel: (() => void) | null }
  >();
}
