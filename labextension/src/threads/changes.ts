/**
 * A person's changes of the list of threads: titles, pins, the archive, deletions.
 *
 *     delete ──► hidden for 8 s ──► DELETE ──► gone
 *                   │ undo            │ refused
 *                   └──► shown again ◄┘
 *
 * The list shows a change at once, before the server has responded. The page waits before it sends a
 * deletion, so that Undo needs no copy of the thread. When the page is closed, it sends waiting deletions
 * at once.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Api, ApiError } from '../connection/api';
import { type Clock } from '../connection/connection';
import { explain } from '../connection/thread-ends';
import { parseRow } from '../protocol/parse';
import { type ThreadRow } from '../protocol/records';

/** How long a deletion can be undone. */
export const UNDO_MS = 8_000;

type RowFields = Partial<Pick<ThreadRow, 'title' | 'pinned' | 'archived'>>;

interface RowChangesOptions {
  readonly api: Api;
  readonly clock: Clock;
  readonly trans: TranslationBundle;
  /** Called when a shown value has changed. */
  readonly onChange: () => void;
  /** Called when the server has sent a row. */
  readonly onRow: (row: ThreadRow) => void;
  /** Called when the thread was deleted. */
  readonly onGone: (id: string) => void;
}

export class RowChanges {
  constructor(private readonly _options: RowChangesOptions) {}

  /** Why the last change failed; null if no change failed, or the person has closed the message. */
  problem: string | null = null;

  /** The threads whose deletion can still be undone, newest first. */
  get deleting(): readonly ThreadRow[] {
    const waiting = [...this._deletions.values()].filter(deletion => deletion.cancel !== null);
    return waiting.map(deletion => deletion.row).reverse();
  }

  isHidden(id: string): boolean {
    return this._deletions.has(id);
  }

  /** A row with the changes that this page is sending. */
  withChanges(row: ThreadRow): ThreadRow {
    const changes = this._changes.get(row.id) ?? [];
    return changes.reduce<ThreadRow>((result, fields) => ({ ...result, ...fields }), row);
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
      const rest = (this._changes.get(id) ?? []).filter(other => other !== fields);
      if (rest.length > 0) {
        this._changes.set(id, rest);
      } else {
        this._changes.delete(id);
      }
      onChange();
    }
  }

  /** Hide a thread now, and delete it when the time for Undo is over. */
  remove(row: ThreadRow): void {
    if (this._deletions.has(row.id)) {
      return;
    }
    const cancel = this._options.clock.later(() => void this._send(row.id, false), UNDO_MS);
    this._deletions.set(row.id, { row, cancel });
    this.problem = null;
    this._options.onChange();
  }

  /** Cancel the deletion of a thread. */
  undo(id: string): void {
    const deletion = this._deletions.get(id);
    if (deletion !== undefined && deletion.cancel !== null) {
      deletion.cancel();
      this._deletions.delete(id);
      this._options.onChange();
    }
  }

  /** Send the waiting deletions, because the page is being closed. */
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

  /** By thread: the changes that this page is sending, oldest first. */
  private readonly _changes = new Map<string, readonly RowFields[]>();
  private readonly _deletions = new Map<
    string,
    { readonly row: ThreadRow; cancel: (() => void) | null }
  >();
}
