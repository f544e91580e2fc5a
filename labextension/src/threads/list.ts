/**
 * The list of a person's threads: live rows, pages, search, and the person's changes.
 *
 * The socket sends each row that changes. The list reads the rows again that the socket may have missed:
 * when the socket begins to watch, and every 15 s while it does not. The list keeps all threads beside the
 * result of a search, so that the end of a search needs no request. Without subscribers, the list requests
 * nothing.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Api } from '../connection/api';
import { type Clock, type Connection } from '../connection/connection';
import { explain } from '../connection/thread-ends';
import { parseProjects } from '../protocol/parse';
import { type ListFrame, type Project, type ThreadRow } from '../protocol/records';
import { AskingThreads } from './asking';
import { RowChanges } from './changes';
import { type RowPage, PAGE_ROWS, joinPages, readPage, readPages, replaceRow } from './pages';
import { ALL_THREADS, type ListFilter, type Match, compareRows, isListed, newerRow } from './rows';

interface ThreadListOptions {
  readonly api: Api;
  readonly connection: Connection;
  readonly clock: Clock;
  /** Calls `action` once, before the next frame is drawn. */
  readonly onFrame: (action: () => void) => void;
  readonly trans: TranslationBundle;
}

/** Everything that a view of the list draws. Immutable. */
export interface ListState {
  readonly filter: ListFilter;
  /** The time of this state; the groups depend on the day. */
  readonly now_ms: number;
  readonly rows: readonly ThreadRow[];
  /** The threads that wait for an answer, newest first, even if the filter hides them. */
  readonly asking: readonly ThreadRow[];
  /** By thread: the matches of the search. */
  readonly matches: ReadonlyMap<string, readonly Match[]>;
  readonly isLoading: boolean;
  readonly hasMore: boolean;
  readonly isLive: boolean;
  /** Why the list could not be read. */
  readonly error: string | null;
  /** Why the last change failed. */
  readonly problem: string | null;
  readonly deleting: readonly ThreadRow[];
  readonly projects: readonly Project[];
}

const REREAD_MS = 15_000;
const SEARCH_AFTER_MS = 200;
const NO_MATCHES: ReadonlyMap<string, readonly Match[]> = new Map();
/** How many ids of deleted threads are remembered, so that no late response brings the threads back. */
const MAX_DELETED = 1_000;

export class ThreadList {
  constructor(private readonly _options: ThreadListOptions) {
    this.changes = new RowChanges({
      ..._options,
      onChange: () => this._announceSoon(),
      onRow: row => this._take(row),
      onGone: id => this._forget(id)
    });
    this._state = this._derive();
  }

  /** A person's changes of threads. */
  readonly changes: RowChanges;

  readonly getState = (): ListState => this._state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    if (this._listeners.size === 1) {
      this._start();
    }
    return () => {
      this._listeners.delete(listener);
      if (this._listeners.size === 0) {
        this._stop();
      }
    };
  };

  /** Change the filter. A search begins after a short pause in typing. */
  setFilter(change: Partial<ListFilter>): void {
    const before = this._filter;
    this._filter = { ...before, ...change };
    this._cancelSearch?.();
    this._cancelSearch = null;
    if (before.project !== this._filter.project || before.isArchived !== this._filter.isArchived) {
      this._rows.clear();
      this._result = null;
      void this._reread();
    } else if (this._filter.query === '') {
      this._endSearch();
    } else if (this._filter.query !== before.query) {
      this._isLoading = true;
      this._cancelSearch = this._options.clock.later(() => void this._reread(), SEARCH_AFTER_MS);
    }
    this._announce();
  }

  /** Read the next page, if there is one and no request is under way. */
  async loadMore(): Promise<void> {
    const before = this._end();
    if (before === null || this._abort !== null) {
      return;
    }
    await this._read(
      signal => readPage(this._options.api, { filter: this._filter, before, signal }),
      (page, startTick) => {
        if (this._isSearch) {
          this._result = this._result === null ? page : joinPages(this._result, page);
        } else {
          this._merge(page.rows, startTick);
          this._rowsEnd = page.end;
        }
      }
    );
  }

  /** Read the shown threads again. */
  async refresh(): Promise<void> {
    await this._reread();
  }

  /** Read the folders for the filter. */
  async loadProjects(): Promise<void> {
    try {
      const value = await this._options.api.request({ method: 'GET', path: 'projects' });
      this._projects = parseProjects(value);
      this._announce();
    } catch {
      // The filter still offers the folders of the last response.
    }
  }

  private get _isSearch(): boolean {
    return this._filter.query !== '';
  }

  private _end(): string | null {
    return this._isSearch ? (this._result?.end ?? null) : this._rowsEnd;
  }

  private _start(): void {
    const { connection } = this._options;
    this._unwatch = connection.watch({
      receive: frame => this._receive(frame),
      onLoss: () => {
        this._isLive = false;
        this._announceSoon();
      }
    });
    this._rereadMissed();
    this._rereadLater();
  }

  private _stop(): void {
    this._unwatch?.();
    this._unwatch = null;
    this._isLive = false;
    this._cancelReread?.();
    this._cancelSearch?.();
    this._abort?.abort();
    this._abort = null;
  }

  private _rereadLater(): void {
    this._cancelReread = this._options.clock.later(() => {
      if (!this._isLive) {
        this._rereadMissed();
      }
      this._announce();
      this._rereadLater();
    }, REREAD_MS);
  }

  private _receive(frame: ListFrame): void {
    if (frame.op === 'watching') {
      this._isLive = true;
      this._rereadMissed();
      return;
    }
    this._tick += 1;
    this._freshAt.set(frame.thread.id, this._tick);
    this._take(frame.thread);
  }

  /** Take over a row that is newer than the known row. */
  private _take(row: ThreadRow): void {
    if (row.deleted) {
      this._forget(row.id);
      return;
    }
    const oldRow = this._rows.get(row.id);
    const newest = oldRow === undefined ? row : newerRow(oldRow, row, false);
    this._asking.update(newest);
    if (!isListed(newest, this._filter)) {
      this._rows.delete(row.id);
    } else if (oldRow !== undefined || newest.pinned || !this._isBeyondEnd(newest)) {
      this._rows.set(row.id, newest);
    }
    this._result = replaceRow(this._result, newest);
    this._announceSoon();
  }

  /** Whether a row belongs to a page that was not read yet. */
  private _isBeyondEnd(row: ThreadRow): boolean {
    const [at] = this._rowsEnd?.split(',') ?? [];
    return at !== undefined && row.updated_at < at;
  }

  private _forget(id: string): void {
    this._asking.remove(id);
    this._deletedIds.add(id);
    if (this._deletedIds.size > MAX_DELETED) {
      const [oldest] = this._deletedIds;
      this._deletedIds.delete(oldest ?? id);
    }
    this._rows.delete(id);
    this._announceSoon();
  }

  private _endSearch(): void {
    const wasSearch = this._result !== null || this._abort !== null;
    this._result = null;
    if (wasSearch) {
      this._abort?.abort();
      this._abort = null;
      this._isLoading = false;
    }
  }

  /** Read the rows again that the socket may have missed. */
  private _rereadMissed(): void {
    this._asking.mayBeStale = true;
    void this._reread();
  }

  /** Read all shown threads again, and ignore the response to an earlier request. */
  private async _reread(): Promise<void> {
    const { api } = this._options;
    const filter = this._filter;
    this._abort?.abort();
    this._abort = null;
    if (this._asking.needsFullRead(filter)) {
      void this._readAsking();
    }
    if (this._isSearch) {
      const count = this._result?.rows.length ?? PAGE_ROWS;
      await this._read(
        signal => readPages(api, { filter, signal }, count),
        page => (this._result = page)
      );
      return;
    }
    await this._read(
      async signal => {
        const pinned = readPage(api, { filter, before: null, signal, isPinned: true });
        const [page, { rows }] = await Promise.all([
          readPages(api, { filter, signal }, this._rows.size),
          pinned
        ]);
        return { ...page, pinned: rows };
      },
      ({ rows, pinned, end }, startTick) => {
        const freshRows = [...this._rows.values()].filter(row => this._isFresh(row.id, startTick));
        const oldRows = new Map(this._rows);
        this._rows.clear();
        freshRows.forEach(row => this._rows.set(row.id, row));
        this._asking.removeStale(filter, id => this._isFresh(id, startTick));
        this._merge([...rows, ...pinned], startTick, oldRows);
        this._rowsEnd = end;
      }
    );
  }

  /** Read the newest threads again for those that wait for an answer, because the filter hides some. */
  private async _readAsking(): Promise<void> {
    const startTick = this._tick;
    const rows = await this._asking.readNewest(this._options.api);
    if (rows !== null) {
      this._asking.removeStale(ALL_THREADS, id => this._isFresh(id, startTick));
      this._merge(rows, startTick);
      this._announceSoon();
    }
  }

  private async _read<T extends RowPage>(
    read: (signal: AbortSignal) => Promise<T>,
    apply: (value: T, startTick: number) => void
  ): Promise<void> {
    const abort = new AbortController();
    const startTick = this._tick;
    this._abort = abort;
    this._isLoading = true;
    this._announce();
    try {
      const value = await read(abort.signal);
      if (this._abort === abort) {
        apply(value, startTick);
        this._error = null;
      }
    } catch (error) {
      if (this._abort === abort) {
        this._error = explain(error, this._options.trans);
      }
    }
    if (this._abort === abort) {
      this._abort = null;
      this._isLoading = false;
      this._announce();
    }
  }

  private _isFresh(id: string, startTick: number): boolean {
    return (this._freshAt.get(id) ?? -1) > startTick;
  }

  /** Add the rows of a response to a request that began at `startTick`. */
  private _merge(
    rows: readonly ThreadRow[],
    startTick: number,
    oldRows: ReadonlyMap<string, ThreadRow> = this._rows
  ): void {
    for (const row of rows) {
      const old = oldRows.get(row.id);
      const newest = old === undefined ? row : newerRow(old, row, this._isFresh(row.id, startTick));
      this._asking.update(newest);
      if (!this._deletedIds.has(row.id) && isListed(newest, this._filter)) {
        this._rows.set(row.id, newest);
      }
    }
  }

  private _derive(): ListState {
    const { changes } = this;
    // The list does not change until the response to a search arrives.
    const rows = this._result?.rows ?? [...this._rows.values()].sort(compareRows);
    const isShown = (row: ThreadRow): boolean =>
      !changes.isHidden(row.id) && !this._deletedIds.has(row.id) && isListed(row, this._filter);
    return {
      filter: this._filter,
      now_ms: this._options.clock.now(),
      rows: rows.map(row => changes.withChanges(row)).filter(isShown),
      asking: this._asking.list().filter(({ id }) => !changes.isHidden(id)),
      matches: this._result?.matches ?? NO_MATCHES,
      isLoading: this._isLoading,
      hasMore: this._end() !== null,
      isLive: this._isLive,
      error: this._error,
      problem: changes.problem,
      deleting: changes.deleting,
      projects: this._projects
    };
  }

  /** Call the listeners with the next frame, because many rows may change at once. */
  private _announceSoon(): void {
    if (!this._isAnnouncing) {
      this._isAnnouncing = true;
      this._options.onFrame(() => {
        this._isAnnouncing = false;
        this._announce();
      });
    }
  }

  private _announce(): void {
    this._state = this._derive();
    [...this._listeners].forEach(listener => listener());
  }

  private readonly _listeners = new Set<() => void>();
  /** The rows of all pages that were read; a search does not change them. */
  private readonly _rows = new Map<string, ThreadRow>();
  private _rowsEnd: string | null = null;
  /** The result of the search; null without a search. */
  private _result: RowPage | null = null;
  private readonly _deletedIds = new Set<string>();
  private readonly _asking = new AskingThreads(id => this._deletedIds.has(id));
  /** By thread: the number of the socket's last frame about it. */
  private readonly _freshAt = new Map<string, number>();
  private _tick = 0;
  private _filter = ALL_THREADS;
  private _projects: readonly Project[] = [];
  private _isLive = false;
  private _isLoading = false;
  private _error: string | null = null;
  private _abort: AbortController | null = null;
  private _isAnnouncing = false;
  private _unwatch: (() => void) | null = null;
  private _cancelReread: (() => void) | null = null;
  private _cancelSearch: (() => void) | null = null;
  private _state: ListState;
}
