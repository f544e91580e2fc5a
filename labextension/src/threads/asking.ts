/** The threads that wait for an answer, as far as the page knows, even if its list does not show them. */
import { type Api } from '../connection/api';
import { type ThreadRow } from '../protocol/records';
import { readPage } from './pages';
import { ALL_THREADS, type ListFilter, compareRows } from './rows';

export class AskingThreads {
  constructor(private readonly _isGone: (id: string) => boolean) {}

  /** Whether a thread of the list may have been answered or deleted without a new row. */
  isInDoubt = true;

  /** Newest first. */
  list(): readonly ThreadRow[] {
    return [...this._rows.values()].sort(compareRows);
  }

  /** Take over the newest row of a thread. */
  note(row: ThreadRow): void {
    this._rows.delete(row.id);
    if (row.asks && !this._isGone(row.id)) {
      this._rows.set(row.id, row);
    }
  }

  forget(id: string): void {
    this._rows.delete(id);
  }

  /** Whether the list stays in doubt after a read with this filter. */
  staysInDoubt(filter: ListFilter): boolean {
    return this.isInDoubt && !isAll(filter);
  }

  /** Read the newest threads; null if they cannot be read now. */
  async read(api: Api): Promise<readonly ThreadRow[] | null> {
    const { signal } = new AbortController();
    const page = await readPage(api, { filter: ALL_THREADS, before: null, signal }).catch(
      () => null
    );
    return page === null ? null : page.rows;
  }

  /**
   * After a complete read of all threads, drop the threads that are not fresh; the caller notes the rest.
   */
  settle(filter: ListFilter, isFresh: (id: string) => boolean): void {
    if (isAll(filter)) {
      [...this._rows.keys()].filter(id => !isFresh(id)).forEach(id => this._rows.delete(id));
      this.isInDoubt = false;
    }
  }

  private readonly _rows = new Map<string, ThreadRow>();
}

function isAll({ query, project, isArchived }: ListFilter): boolean {
  return query === '' && project === null && !isArchived;
}
