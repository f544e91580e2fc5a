// @vitest-environment node
import { beforeEach, describe, expect, it } from 'vitest';

import { ApiError } from '../../src/connection/api';
import { type ThreadRow } from '../../src/protocol/records';
import { UNDO_MS } from '../../src/threads/changes';
import { ThreadList } from '../../src/threads/list';
import { PAGE_ROWS } from '../../src/threads/pages';
import { isUntouched, sections } from '../../src/threads/rows';
import { type Call, ENGLISH, FakePage, flushPromises } from '../fakes';

const row = (id: string, more: Partial<ThreadRow> = {}): ThreadRow => ({
  id,
  name: null,
  title: `Title of ${id}`,
  project: '/work',
  model: 'demo/tour',
  head: null,
  archived: false,
  deleted: false,
  created_at: '2026-11-20T09:00:00.000Z',
  updated_at: `2026-11-20T09:${id.padStart(2, '0')}:00.000Z`,
  seq: 1,
  unread: 0,
  busy: false,
  asks: false,
  pinned: false,
  ...more
});

let page: FakePage;
let list: ThreadList;
let leave: () => void;

/** The requests for pages that were not answered yet, oldest first; a response takes one away. */
function reads(pinned = false): Call[] {
  return page.api.calls.filter(
    call => call.path.startsWith('threads?') && call.path.includes('pinned=1') === pinned
  );
}

async function respond(rows: readonly object[], pinned: readonly object[] = []): Promise<void> {
  reads().at(-1)?.answer({ threads: rows });
  reads(true).at(-1)?.answer({ threads: pinned });
  await flushPromises();
}

async function receive(frame: object): Promise<void> {
  page.network.socket.receive(frame);
  page.frame();
  await flushPromises();
}

const ids = (): string[] => list.getState().rows.map(({ id }) => id);

beforeEach(async () => {
  page = new FakePage();
  const { api, network } = page;
  list = new ThreadList({ ...page.options(), api, connection: network.connection });
  leave = list.subscribe(() => undefined);
  await flushPromises();
});

describe('the list of threads', () => {
  it('lists what the server has, newest first, and rows that the socket brings (L9)', async () => {
    await respond([row('2'), row('1')], [row('0', { pinned: true })]);
    expect(ids()).toEqual(['2', '1', '0']);
    page.network.socket.open();
    expect(page.network.socket.sent).toEqual([{ op: 'watch' }]);
    await receive({ op: 'watching' });
    await respond([row('2'), row('1')], [row('0', { pinned: true })]);
    expect(list.getState().isLive).toBe(true);
    await receive({ op: 'thread', thread: row('1', { updated_at: '2026-11-20T10:00', seq: 5 }) });
    await receive({ op: 'thread', thread: row('3') });
    expect(ids()).toEqual(['1', '3', '2', '0']);
    await receive({ op: 'thread', thread: row('2', { deleted: true }) });
    await receive({ op: 'thread', thread: row('3', { archived: true }) });
    expect(ids()).toEqual(['1', '0']);
  });

  it('tells which threads wait for an answer, also those that it does not show', async () => {
    const asking = (): string[] => list.getState().asking.map(({ id }) => id);
    await respond([row('2'), row('1', { asks: true })]);
    expect(asking()).toEqual(['1']);
    list.setFilter({ project: '/elsewhere' });
    await respond([]);
    await receive({ op: 'thread', thread: row('2', { seq: 2, asks: true }) });
    expect([ids(), asking()]).toEqual([[], ['2', '1']]);
    await receive({ op: 'thread', thread: row('1', { seq: 2 }) });
    await receive({ op: 'thread', thread: row('2', { seq: 3, deleted: true }) });
    expect(asking()).toEqual([]);
  });

  it('does not tell of a deleted thread whose row a response brings that began before', async () => {
    page.network.socket.open();
    await receive({ op: 'watching' });
    await receive({ op: 'thread', thread: row('1', { seq: 2, deleted: true }) });
    await respond([row('1', { asks: true })], [row('1', { asks: true })]);
    expect([ids(), list.getState().asking]).toEqual([[], []]);
  });

  it('forgets who waits for an answer, if the reading after a break has them not', async () => {
    const asking = (): string[] => list.getState().asking.map(({ id }) => id);
    await respond([row('2', { asks: true }), row('1', { asks: true })]);
    page.network.socket.open();
    await receive({ op: 'watching' });
    await receive({ op: 'thread', thread: row('3', { asks: true }) });
    await respond([row('2', { asks: true })]);
    expect(asking()).toEqual(['3', '2']);
    list.setFilter({ project: '/elsewhere' });
    await respond([]);
    expect(asking()).toEqual(['3', '2']);
    await receive({ op: 'watching' });
    const newest = reads()
      .filter(({ path }) => !path.includes('project'))
      .at(-1);
    newest?.answer({ threads: [row('5', { asks: true }), row('3', { seq: 2 })] });
    await respond([]);
    page.frame();
    expect([ids(), asking()]).toEqual([[], ['5']]);
  });

  it('keeps a row of the socket that is newer than a response that began before it', async () => {
    page.network.socket.open();
    await receive({ op: 'watching' });
    await receive({ op: 'thread', thread: row('1', { busy: true, seq: 7 }) });
    await receive({ op: 'thread', thread: row('2', { unread: 3 }) });
    await receive({ op: 'thread', thread: row('3') });
    await receive({ op: 'thread', thread: row('4', { deleted: true }) });
    await respond([row('4'), row('2', { unread: 0 }), row('1', { seq: 6 })]);
    const found = new Map(list.getState().rows.map(one => [one.id, one]));
    expect([...found.keys()]).toEqual(['3', '2', '1']);
    expect(found.get('1')?.busy).toBe(true);
    expect(found.get('2')?.unread).toBe(3);
  });

  it('takes a response with a larger seq, and drops what a later response has not', async () => {
    page.network.socket.open();
    await receive({ op: 'watching' });
    await receive({ op: 'thread', thread: row('1', { seq: 2 }) });
    await respond([row('2'), row('1', { seq: 3, unread: 1 })]);
    expect(list.getState().rows.at(-1)?.unread).toBe(1);
    await receive({ op: 'watching' });
    await respond([row('1', { seq: 3 })]);
    expect(ids()).toEqual(['1']);
  });

  it('reads again when the socket is back, and every 15 s while it is not', async () => {
    await respond([row('1')]);
    const before = reads().length;
    page.network.clock.turn(15_000);
    await flushPromises();
    expect(reads().length).toBe(before + 1);
    await respond([row('2'), row('1')]);
    expect(ids()).toEqual(['2', '1']);
    page.network.socket.open();
    await receive({ op: 'watching' });
    await respond([row('2'), row('1')]);
    const live = reads().length;
    page.network.clock.turn(15_000);
    await flushPromises();
    expect(reads().length).toBe(live);
    page.network.socket.drop();
    page.frame();
    expect(list.getState().isLive).toBe(false);
  });

  it('requests nothing after its last view is gone, and lets the socket go', async () => {
    await respond([row('1')]);
    page.network.socket.open();
    leave();
    expect(page.network.socket.sent.at(-1)).toEqual({ op: 'unwatch' });
    const before = page.api.calls.length;
    page.network.clock.turn(120_000);
    await flushPromises();
    expect(page.api.calls.length).toBe(before);
    expect(page.network.socket.isClosed).toBe(true);
  });

  it('reads page after page, and no row between two pages twice', async () => {
    const many = Array.from({ length: PAGE_ROWS }, (_, at) =>
      row(`${at}`, { updated_at: `2026-11-19T${String(999 - at).padStart(4, '0')}` })
    );
    await respond(many);
    expect(list.getState().hasMore).toBe(true);
    void list.loadMore();
    void list.loadMore();
    await flushPromises();
    expect(reads().length).toBe(2);
    const last = many.at(-1);
    const path = reads().at(-1)?.path ?? '';
    expect(new URLSearchParams(path.split('?')[1]).get('before')).toBe(
      `${last?.updated_at},${last?.id}`
    );
    await respond([...many.slice(-1), row('old', { updated_at: '2026-01-01' })]);
    expect(list.getState().hasMore).toBe(false);
    expect(ids().length).toBe(PAGE_ROWS + 1);
    expect(ids().at(-1)).toBe('old');
  });

  it('tells why it could not be read, keeps its rows, and tries again', async () => {
    await respond([row('1')]);
    void list.refresh();
    await flushPromises();
    reads()
      .at(-1)
      ?.fail(new ApiError(503, 'busy', 'The server is busy.'));
    await flushPromises();
    expect(list.getState().error).toBe('The server is busy.');
    expect(ids()).toEqual(['1']);
    page.network.clock.turn(15_000);
    await flushPromises();
    await respond([row('1')]);
    expect(list.getState().error).toBeNull();
  });
});

it.each([
  [true, {}],
  [false, { head: 'm' }],
  [false, { seq: 2 }],
  [false, { title: 'Sales' }],
  [false, { system: 'Be brief.' }],
  [false, { project: '/home/ada' }]
])('"New" opens an empty thread again: %s for %j', (isEmpty, change) => {
  const fresh = { ...row('t'), head: null, name: null, title: null, project: null, system: null };
  expect(isUntouched({ ...fresh, seq: 1, ...change })).toBe(isEmpty);
});

describe('a search', () => {
  beforeEach(async () => respond([row('2'), row('1')]));

  it('waits for the end of the typing, and its last words count', async () => {
    const before = reads().length;
    list.setFilter({ query: 'chu' });
    page.network.clock.turn(150);
    list.setFilter({ query: 'churn' });
    page.network.clock.turn(199);
    expect(reads().length).toBe(before);
    page.network.clock.turn(1);
    const slow = reads().at(-1);
    expect(slow?.path).toContain('q=churn');
    list.setFilter({ query: 'churn model' });
    page.network.clock.turn(200);
    await flushPromises();
    expect(slow?.signal?.aborted).toBe(true);
    const ranges = [
      [0, 5],
      [3, 4],
      [6, 99],
      ['a', 1]
    ];
    const matches = [{ message_id: 'm', snippet: 'churn model', ranges }];
    reads()
      .at(-1)
      ?.answer({ threads: [{ ...row('1'), matches }] });
    await flushPromises();
    slow?.answer({ threads: [row('2')] });
    await flushPromises();
    expect(ids()).toEqual(['1']);
    expect(list.getState().matches.get('1')).toEqual([
      { messageId: 'm', snippet: 'churn model', ranges: [[0, 5]] }
    ]);
  });

  it('keeps its result live, and its end brings the list back without a request', async () => {
    list.setFilter({ query: 'x' });
    page.network.clock.turn(200);
    await flushPromises();
    reads()
      .at(-1)
      ?.answer({ threads: [row('1')] });
    await flushPromises();
    page.network.socket.open();
    await receive({ op: 'thread', thread: row('1', { busy: true, seq: 2 }) });
    await receive({ op: 'thread', thread: row('3') });
    expect(list.getState().rows.map(({ id, busy }) => [id, busy])).toEqual([['1', true]]);
    const before = reads().length;
    list.setFilter({ query: '' });
    expect(reads().length).toBe(before);
    expect(ids()).toEqual(['3', '2', '1']);
  });

  it('filters by folder and by archive at the server, and in what the socket brings', async () => {
    list.setFilter({ project: '/other', isArchived: true });
    expect(ids()).toEqual([]);
    expect(reads().at(-1)?.path).toContain('archived=1');
    expect(reads().at(-1)?.path).toContain('project=%2Fother');
    await respond([row('5', { project: '/other', archived: true })]);
    page.network.socket.open();
    await receive({ op: 'thread', thread: row('6', { archived: true }) });
    expect(ids()).toEqual(['5']);
  });
});

describe('a change of the list', () => {
  beforeEach(async () => respond([row('2'), row('1')]));

  it('is shown at once, and taken back if the server refuses it', async () => {
    const renamed = list.changes.change('1', { title: 'Mine' });
    page.frame();
    expect(list.getState().rows.at(-1)?.title).toBe('Mine');
    page.api.call('PATCH', 'threads/1').answer(row('1', { title: 'Mine', seq: 2 }));
    expect(await renamed).toBe(true);
    const refused = list.changes.change('1', { archived: true });
    page.frame();
    expect(ids()).toEqual(['2']);
    page.api.call('PATCH', 'threads/1').fail(new ApiError(409, 'conflict', 'Not now.'));
    expect(await refused).toBe(false);
    page.frame();
    expect(list.getState().rows.map(({ title }) => title)).toEqual(['Title of 2', 'Mine']);
    expect(list.getState().problem).toBe('Not now.');
  });

  it('can be undone for 8 s if it is a deletion, and is sent only then', async () => {
    const [first] = list.getState().rows;
    list.changes.remove(first as ThreadRow);
    page.frame();
    expect(ids()).toEqual(['1']);
    expect(list.getState().deleting.map(({ id }) => id)).toEqual(['2']);
    page.network.clock.turn(UNDO_MS - 1);
    list.changes.undo('2');
    page.frame();
    page.network.clock.turn(UNDO_MS);
    expect(ids()).toEqual(['2', '1']);
    expect(page.api.calls.filter(call => call.method === 'DELETE')).toEqual([]);

    list.changes.remove(first as ThreadRow);
    page.network.clock.turn(UNDO_MS);
    page.api.call('DELETE', 'threads/2').fail(new ApiError(0, 'unreachable', 'No response.'));
    await flushPromises();
    page.frame();
    expect(ids()).toEqual(['2', '1']);
    expect(list.getState().problem).toBe('No response.');
  });

  it('is sent when the page is closed, and no late response brings the thread back', async () => {
    const [first] = list.getState().rows;
    void list.refresh();
    list.changes.remove(first as ThreadRow);
    list.changes.flush();
    const sent = page.api.call('DELETE', 'threads/2');
    expect(sent.isLast).toBe(true);
    sent.answer(null);
    await flushPromises();
    await respond([row('2'), row('1')]);
    page.frame();
    expect(ids()).toEqual(['1']);
    page.network.clock.turn(UNDO_MS);
    expect(page.api.calls.filter(call => call.method === 'DELETE').length).toBe(1);
  });
});

it('groups threads by the day of their last activity, pinned ones first', () => {
  const now = new Date(2026, 10, 20, 9, 30);
  const at = (days: number, minutes = 0): Partial<ThreadRow> => ({
    updated_at: new Date(2026, 10, 20 - days, 9, minutes).toISOString()
  });
  const rows = [
    row('a', at(0)),
    row('b', { ...at(40), pinned: true }),
    row('c', at(1, 59)),
    row('d', at(3)),
    row('e', at(20)),
    row('f', at(400))
  ];
  const found = sections(rows, now.getTime(), ENGLISH.trans);
  expect(found.map(({ title, rows: of }) => `${title}: ${of.map(({ id }) => id).join()}`)).toEqual([
    'Pinned: b',
    'Today: a',
    'Yesterday: c',
    'Last 7 days: d',
    'Last 30 days: e',
    'Earlier: f'
  ]);
});
