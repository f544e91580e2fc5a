/**
 * The threads that wait for a person's answer, as far as the page knows. The list of threads may not show
 * all of them, because it has a filter and several pages.
 */
import { type Api } from '../connection/api';
import { type ThreadRow } from '../protocol/records';
import { readPage } from './pages';
import { ALL_THREADS, type ListFilter, compareRows } from './rows';

export class AskingThreads {
  constructor(private readonly _isDeleted: (id: string) => boolean) {}

  /** Whether the page may have missed a row: then a thread may be answered or deleted already. */
  mayBeStale = true;

  /** The rows of the threads, newest first. */
  list(): readonly ThreadRow[] {
    return [...this._rows.values()].sort(compareRows);
  }

  /** Keep the newest row of a thread if the thread waits for an answer; else remove the thread. */
  update(row: ThreadRow): void {
    this._rows.delete(row.id);
    if (row.asks && !this._isDeleted(row.id)) {
      this._rows.set(row.id, row);
    }
  }

  remove(id: string): void {
    this._rows.delete(id);
  }

  /** Whether stale threads may remain after a read with this filter, which returns only some threads. */
  needsFullRead(filter: ListFilter): boolean {
    return this.mayBeStale && !isUnfiltered(filter);
  }

  /** Read the newest threads; null if the request fails. */
  async readNewest(api: Api): Promise<readonly ThreadRow[] | null> {
    const { signal } = new AbortController();
    const page = await readPage(api, { filter: ALL_THREADS, before: null, signal }).catch(
      () => null
    );
    return page === null ? null : page.rows;
  }

  /**
   * Remove the threads without a fresh row, after a read without a filter; the caller then calls `update`
   * with each row of the response. A read with a filter removes nothing.
   */
  removeStale(filter: ListFilter, isFresh: (id: string) => boolean): void {
    if (isUnfiltered(filter)) {
      [...this._rows.keys()].filter(id => !isFresh(id)).forEach(id => this._rows.delete(id));
      this.mayBeStale = false;
    }
  }

  private readonly _rows = new Map<string, ThreadRow>();
}

function isUnfiltered({ query, project, isArchived }: ListFilter): boolean {
  return query === '' && project === null && !isArchived;
}
