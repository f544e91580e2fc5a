/** The threads that wait for an answer, as far as a page knows, whether its list shows them or not. */
import { type Api } from '../connection/api';
import { type ThreadRow } from '../protocol/records';
import { readPage } from './pages';
import { ALL_THREADS, type ListFilter, compareRows } from './rows';

export class AskingThreads {
  constructor(private readonly _isGone: (id: string) => boolean) {}

  /** Whether some may have been answered or deleted, and no row has told it. */
  isInDoubt = true;

  /** Newest first. */
  list(): readonly ThreadRow[] {
    return [...this._rows.values()].sort(compareRows);
  }

  /** The newest row of a thread. */
  note(row: ThreadRow): void {
    this._rows.delete(row.id);
    if (row.asks && !this._isGone(row.id)) {
      this._rows.set(row.id, row);
    }
  }

  forget(id: string): void {
    this._rows.delete(id);
  }

  /** Whether a reading of the list with this filter leaves a doubt. */
  staysInDoubt(filter: ListFilter): boolean {
    return this.isInDoubt && !isAll(filter);
  }

  /** The newest of all threads; null if they cannot be read now. */
  async read(api: Api): Promise<readonly ThreadRow[] | null> {
    const { signal } = new AbortController();
    const page = await readPage(api, { filter: ALL_THREADS, before: null, signal }).catch(
      () => null
    );
    return page === null ? null : page.rows;
  }

  /** A list was read again: if it is of all threads, those alone wait that are fresh or noted next. */
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
