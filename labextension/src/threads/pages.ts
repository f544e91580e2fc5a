/**
 * Requests the pages of the list of threads.
 *
 * If the socket brings a row after the begin of a request, that row is newer than the row in the response
 * (see `newerRow`). A thread that is missing in the response was deleted, or left the filter.
 */
import { type Api } from '../connection/api';
import { asObject, listOf, parseRow } from '../protocol/parse';
import { type ThreadRow } from '../protocol/records';
import { type ListFilter, type Match } from './rows';

/** How many rows one response has. */
export const PAGE_ROWS = 100;
/** How many rows are read again after a break; the other rows are read when the person scrolls to them. */
const MAX_REREAD_ROWS = 400;

/** The server's rows for a filter, up to `end`. */
export interface RowPage {
  readonly rows: readonly ThreadRow[];
  readonly matches: ReadonlyMap<string, readonly Match[]>;
  /** The start of the next page; null after the last page. */
  readonly end: string | null;
}

interface PageRequest {
  readonly filter: ListFilter;
  /** The `end` of the page before; null for the first page. */
  readonly before: string | null;
  readonly signal: AbortSignal;
  readonly isPinned?: boolean;
}

/** Request one page. @throws ApiError */
export async function readPage(api: Api, request: PageRequest): Promise<RowPage> {
  const { filter, before, signal, isPinned } = request;
  const query = new URLSearchParams({ limit: String(PAGE_ROWS) });
  const fields: readonly [string, string | null][] = [
    ['q', filter.query === '' ? null : filter.query],
    ['project', filter.project],
    ['archived', filter.isArchived ? '1' : null],
    ['pinned', isPinned === true ? '1' : null],
    ['before', before]
  ];
  fields.forEach(([name, value]) => value !== null && query.set(name, value));
  const wire = asObject(
    await api.request({ method: 'GET', path: `threads?${query}`, signal }),
    'The list of threads'
  );
  const items: readonly unknown[] = Array.isArray(wire['threads']) ? wire['threads'] : [];
  const rows = items.map(parseRow);
  const matches = new Map(rows.map((row, at) => [row.id, matchesOf(items[at])]));
  const last = rows.at(-1);
  const isLast = last === undefined || rows.length < PAGE_ROWS;
  return { rows, matches, end: isLast ? null : `${last.updated_at},${last.id}` };
}

/** Request the pages from the first one on, until there are `count` rows. @throws ApiError */
export async function readPages(
  api: Api,
  request: Omit<PageRequest, 'before'>,
  count: number
): Promise<RowPage> {
  let page = await readPage(api, { ...request, before: null });
  while (page.end !== null && page.rows.length < Math.min(count, MAX_REREAD_ROWS)) {
    page = joinPages(page, await readPage(api, { ...request, before: page.end }));
  }
  return page;
}

/** Join two consecutive pages. */
export function joinPages(page: RowPage, next: RowPage): RowPage {
  const rows = [...page.rows, ...next.rows];
  return { rows, matches: new Map([...page.matches, ...next.matches]), end: next.end };
}

/** Replace the row of one thread in a search's result by a newer row. */
export function replaceRow(page: RowPage | null, row: ThreadRow): RowPage | null {
  return page === null
    ? null
    : { ...page, rows: page.rows.map(other => (other.id === row.id ? row : other)) };
}

const MAX_MATCHES = 3;

/** Read the matches of a row, without ranges that do not fit the snippet. */
function matchesOf(item: unknown): readonly Match[] {
  const list = listOf(asObject(item, 'A row')['matches']);
  return list
    .slice(0, MAX_MATCHES)
    .flatMap(({ message_id: messageId, snippet, ranges }) =>
      typeof messageId === 'string' && typeof snippet === 'string'
        ? [{ messageId, snippet, ranges: rangesOf(ranges, snippet.length) }]
        : []
    );
}

function rangesOf(value: unknown, length: number): readonly (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  let end = 0;
  for (const pair of Array.isArray(value) ? (value as readonly unknown[]) : []) {
    const [from, to] = Array.isArray(pair) ? (pair as readonly unknown[]) : [];
    if (typeof from === 'number' && typeof to === 'number') {
      if (from >= end && to > from && to <= length) {
        ranges.push([from, to]);
        end = to;
      }
    }
  }
  return ranges;
}
