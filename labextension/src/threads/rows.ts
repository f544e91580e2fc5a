/** The rows of the list of threads: their versions, order, and groups. Pure. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { asObject, parseRow } from '../protocol/parse';
import { type ThreadRow, type ToolMode } from '../protocol/records';
import { isDefault } from './default-mode';

/** Which threads the list shows. */
export interface ListFilter {
  /** Words to search for in titles, names and messages; empty for all threads. */
  readonly query: string;
  /** A folder; null for all folders. */
  readonly project: string | null;
  readonly isArchived: boolean;
}

export const ALL_THREADS: ListFilter = { query: '', project: null, isArchived: false };

/** A message or a title with words of the search. */
export interface Match {
  readonly messageId: string;
  readonly snippet: string;
  /** From and to, in UTF-16 code units of the snippet. */
  readonly ranges: readonly (readonly [number, number])[];
}

/**
 * The newer of two rows of a thread: the row with the larger seq. A person's marks change without a new
 * seq; with equal seqs, a row is newer that the socket has sent since the request began.
 */
export function newerRow(
  ownRow: ThreadRow,
  receivedRow: ThreadRow,
  isOwnFresh: boolean
): ThreadRow {
  if (ownRow.seq !== receivedRow.seq) {
    return ownRow.seq > receivedRow.seq ? ownRow : receivedRow;
  }
  return isOwnFresh ? ownRow : receivedRow;
}

/** Compare two rows: newest first; rows with equal times in the server's order. */
export function compareRows(first: ThreadRow, second: ThreadRow): number {
  if (first.updated_at !== second.updated_at) {
    return first.updated_at < second.updated_at ? 1 : -1;
  }
  return first.id < second.id ? 1 : -1;
}

/** Whether a row passes the filter, apart from the search. */
export function isListed(row: ThreadRow, filter: ListFilter): boolean {
  const isOfProject = filter.project === null || row.project === filter.project;
  return !row.deleted && row.archived === filter.isArchived && isOfProject;
}

/**
 * Whether the row's thread is untouched since "New" has made it: its log contains only its creation and,
 * if the person's mode for new threads is not `ask`, that mode.
 */
export function isUntouched(wire: unknown, mode: ToolMode = 'ask'): boolean {
  const { name, title, project, head, seq } = parseRow(wire);
  const { system, tools } = asObject(wire, 'A row');
  const isMade = tools === undefined ? seq === 1 : seq === 2 && isDefault(tools, mode);
  const isPlain = name === null && title === null && project === '' && (system ?? null) === null;
  return isPlain && head === null && isMade;
}

/** The title of a thread for people. */
export function rowTitle(row: Pick<ThreadRow, 'title' | 'name'>, trans: TranslationBundle): string {
  const title = (row.title ?? row.name ?? '').trim();
  return title === '' ? trans.__('Untitled chat') : title;
}

/** The last part of a folder's path, for a short line. */
export function folderName(project: string): string {
  return project.split('/').filter(Boolean).at(-1) ?? project;
}

interface Section {
  readonly key: string;
  readonly title: string;
  readonly rows: readonly ThreadRow[];
}

const DAY_MS = 86_400_000;

/** The rows in groups: pinned threads, then by the day of the last activity. */
export function sections(
  rows: readonly ThreadRow[],
  now_ms: number,
  trans: TranslationBundle
): readonly Section[] {
  const today = new Date(now_ms);
  const midnight = new Date(today.getFullYear(), today.getMonth(), today.getDate()).getTime();
  const groups: readonly { key: string; title: string; from_ms: number }[] = [
    { key: 'today', title: trans.__('Today'), from_ms: midnight },
    // A day may have 23 or 25 hours, so yesterday begins at the midnight before noon.
    { key: 'yesterday', title: trans.__('Yesterday'), from_ms: midnightBefore(midnight) },
    { key: 'week', title: trans.__('Last 7 days'), from_ms: midnight - 7 * DAY_MS },
    { key: 'month', title: trans.__('Last 30 days'), from_ms: midnight - 30 * DAY_MS },
    { key: 'earlier', title: trans.__('Earlier'), from_ms: -Infinity }
  ];
  const rowsByKey = new Map<string, ThreadRow[]>(groups.map(({ key }) => [key, []]));
  for (const row of rows) {
    const at_ms = Date.parse(row.updated_at);
    const group = groups.find(({ from_ms }) => at_ms >= from_ms) ?? groups.at(-1);
    if (!row.pinned && group !== undefined) {
      rowsByKey.get(group.key)?.push(row);
    }
  }
  const pinned = rows.filter(row => row.pinned);
  return [
    { key: 'pinned', title: trans.__('Pinned'), rows: pinned },
    ...groups.map(({ key, title }) => ({ key, title, rows: rowsByKey.get(key) ?? [] }))
  ].filter(section => section.rows.length > 0);
}

function midnightBefore(midnight: number): number {
  const noon = new Date(midnight - DAY_MS / 2);
  return new Date(noon.getFullYear(), noon.getMonth(), noon.getDate()).getTime();
}
