// @vitest-environment node
// Tool calls that this page makes: claimed first, made once, and the result is sent until it is known (L12).
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { ApiError } from '../../src/connection/api';
import { EMPTY, type Transcript, fold } from '../../src/fold/transcript';
import { parseEvent } from '../../src/protocol/parse';
import { CallExecutor, type PageTool } from '../../src/tools/call-executor';
import { FakeApi, FakeNetwork, conversation, flushPromises } from '../fakes';

const CLAIM = 'runs/r/tools/c1/claim';
const RESULT = 'runs/r/tools/c1/result';
const RUN = {
  thread_id: 't',
  run_id: 'r',
  message_id: 'a',
  attempt: 1,
  at: '2026-11-20T09:00:00Z'
};
const START = {
  type: 'tool_start',
  part: 0,
  tool_call_id: 'c1',
  name: 'notebook',
  input: { operation: 'read' },
  where: 'page',
  effect: 'change'
};
const ALLOWED = { type: 'tool_allowed', tool_call_id: 'c1', consent: 'once', by: 'local' };
const CLAIMED = { type: 'tool_claimed', tool_call_id: 'c1', executor: 'another page' };
const OPENED = { ...CLAIMED, executor: null };

function after(...events: readonly object[]): Transcript {
  const all = [
    ...conversation().slice(0, 3),
    ...events.map((event, index) => ({ ...RUN, seq: index + 4, ...event }))
  ];
  return fold(EMPTY, all.map(parseEvent));
}

let api: FakeApi;
let network: FakeNetwork;
let executor: CallExecutor;
let isHere: boolean;
let delay_ms: number;
let tool: PageTool;
const execute = vi.fn();

beforeEach(() => {
  api = new FakeApi();
  network = new FakeNetwork();
  isHere = true;
  delay_ms = 0;
  execute.mockReset().mockReturnValue({ success: true, output: { cells: [] } });
  const definition = { name: 'notebook', description: 'd', where: 'page' };
  tool = { definition, canExecute: () => isHere, delayOf: () => delay_ms, execute };
  const tools = [tool];
  executor = new CallExecutor({ api, clock: network.clock, tools, id: 'p1', label: 'a page' });
});

const claims = (): number => api.calls.filter(({ path }) => path === CLAIM).length;
const results = (): number => api.calls.filter(({ path }) => path === RESULT).length;
const notOpen = (state: string): ApiError =>
  new ApiError(409, 'tool_call_not_open', 'late', { state });

describe('a call that waits for this page', () => {
  it('is claimed, made once, and its result is sent under the claim', async () => {
    const state = after(START, ALLOWED);
    executor.update(state);
    executor.update(state);
    expect(api.call('POST', CLAIM).body).toEqual({ executor: 'a page' });
    expect(execute).not.toHaveBeenCalled();
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    expect(api.call('POST', RESULT).body).toEqual({
      claim: 'k',
      success: true,
      output: { cells: [] }
    });
    api.call('POST', RESULT).answer({ run: {} });
    await flushPromises();
    executor.update(state); // the log may come after the response
    expect([claims(), results(), execute.mock.calls.length]).toEqual([1, 1, 1]);
  });

  it('is not made before a consent stands in the log, nor where another executes it (L13)', () => {
    executor.update(after(START));
    executor.update(after(START, ALLOWED, CLAIMED));
    executor.update(after({ ...START, where: 'kernel' }, ALLOWED));
    executor.update(after({ ...START, name: 'other' }, ALLOWED));
    executor.update(after(START, ALLOWED, { type: 'finalized', status: 'cancelled' }));
    expect(api.calls).toEqual([]);
  });

  it('is left to the executor that was first', async () => {
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).fail(notOpen('claimed'));
    await flushPromises();
    executor.update(after(START, ALLOWED));
    expect(execute).not.toHaveBeenCalled();
    expect(claims()).toBe(1);
  });

  it('is made here if its executor has gone and the log opens it again (L14)', async () => {
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).fail(notOpen('claimed'));
    await flushPromises();
    executor.update(after(START, ALLOWED, CLAIMED));
    expect(claims()).toBe(1);
    executor.update(after(START, ALLOWED, CLAIMED, OPENED));
    expect(claims()).toBe(2);
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    expect(execute).toHaveBeenCalledTimes(1);
  });

  it('is made here if the log opens it again before the refusal of a claim comes', async () => {
    executor.update(after(START, ALLOWED));
    executor.update(after(START, ALLOWED, CLAIMED, OPENED));
    api.call('POST', CLAIM).fail(notOpen('claimed'));
    await flushPromises();
    expect(claims()).toBe(2);
  });

  it('is made again if the claim of this page ended while the page stood still (L14)', async () => {
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    executor.update(after(START, ALLOWED, CLAIMED, OPENED)); // both came when it went on
    api.call('POST', RESULT).fail(notOpen('open'));
    await flushPromises();
    network.clock.turn(500);
    expect(claims()).toBe(2);
    api.call('POST', CLAIM).answer({ claim: 'l', until: 'x' });
    await flushPromises();
    expect(api.call('POST', RESULT).body).toMatchObject({ claim: 'l', success: true });
  });

  it('is not asked for again once it has ended, whatever else the log tells (L12)', async () => {
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).fail(notOpen('ended'));
    await flushPromises();
    executor.update(after(START, ALLOWED, { type: 'note', text: 'of something else' }));
    network.clock.turn(600_000);
    expect(claims()).toBe(1);
  });

  it('is left to others while the notebook is not open here, and made when it is', async () => {
    isHere = false;
    executor.update(after(START, ALLOWED));
    expect(api.calls).toEqual([]);
    isHere = true;
    executor.lookAgain(); // it was opened
    executor.lookAgain();
    expect(claims()).toBe(1);
  });

  it('is left for a moment to the page in front, if it means whatever is open there', async () => {
    delay_ms = 1_500;
    executor.update(after(START, ALLOWED));
    network.clock.turn(1_499);
    await flushPromises();
    expect(claims()).toBe(0);
    network.clock.turn(1);
    await flushPromises();
    expect(claims()).toBe(1);
  });

  it('is not claimed while another page should make it, and looked at again later', async () => {
    let isFree = false;
    tool.isFree = async () => isFree;
    executor.update(after(START, ALLOWED));
    await flushPromises();
    expect(claims()).toBe(0);
    isFree = true;
    network.clock.turn(500);
    await flushPromises();
    expect(claims()).toBe(1);
  });

  it('is looked at again later if the page could not load what makes it', async () => {
    vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    tool.isFree = vi.fn().mockRejectedValueOnce(new Error('no chunk')).mockResolvedValue(true);
    executor.update(after(START, ALLOWED));
    await flushPromises();
    expect(claims()).toBe(0);
    network.clock.turn(500);
    await flushPromises();
    expect(claims()).toBe(1);
    vi.restoreAllMocks();
  });

  it('is made in parts if the permission names parts, and its result may take a moment (L13)', async () => {
    let done = (_result: object): void => undefined;
    execute.mockReturnValue(new Promise(resolve => (done = resolve)));
    executor.update(after(START, { ...ALLOWED, accepted: ['cell-2'] }));
    await flushPromises();
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    expect(execute).toHaveBeenCalledWith({
      id: 'c1',
      input: { operation: 'read' },
      accepted: ['cell-2']
    });
    expect(results()).toBe(0);
    done({ success: true, output: 'made' });
    await flushPromises();
    expect(api.call('POST', RESULT).body).toEqual({ claim: 'k', success: true, output: 'made' });
  });

  it('sends the files of its result first, and leaves out one that the server does not take', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const blob = new Blob(['png'], { type: 'image/png' });
    const files = ['a-1.png', 'b-1.png'].map(name => ({ name, blob }));
    execute.mockReturnValue({ success: true, output: 'read', files });
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    const [first] = api.uploads;
    expect(first?.headers['Content-Disposition']).toBe("attachment; filename*=UTF-8''a-1.png");
    first?.fail(new ApiError(413, 'attachment_too_large', 'Too large.'));
    await flushPromises();
    expect(results()).toBe(0);
    api.uploads[1]?.answer({ id: 'f2', name: 'b-1.png', type: 'image/png', sha256: 'x', size: 3 });
    await flushPromises();
    expect(api.call('POST', RESULT).body).toEqual({
      claim: 'k',
      success: true,
      output: 'read',
      attachments: ['f2']
    });
    warn.mockRestore();
  });

  it('is not claimed after that moment if another page has it', async () => {
    delay_ms = 1_500;
    executor.update(after(START, ALLOWED));
    executor.update(after(START, ALLOWED, CLAIMED));
    network.clock.turn(1_500);
    await flushPromises();
    expect(claims()).toBe(0);
  });

  it('is claimed again if the server did not respond to the claim', async () => {
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).fail(new ApiError(0, 'unreachable', 'away'));
    await flushPromises();
    network.clock.turn(500);
    expect(claims()).toBe(2);
    expect(execute).not.toHaveBeenCalled();
  });

  it('is not claimed at each event while nobody has decided, but at once if the tools change', async () => {
    const away = async (): Promise<void> => {
      api.call('POST', CLAIM).fail(new ApiError(502, 'foreign', 'a proxy'));
      await flushPromises();
    };
    executor.update(after(START, ALLOWED));
    await away();
    const delta = { type: 'note', text: 'of a build' };
    for (let count = 1; count <= 9; count += 1) {
      network.clock.turn(50);
      executor.update(after(START, ALLOWED, ...Array<object>(count).fill(delta)));
    }
    expect(claims()).toBe(1);
    network.clock.turn(50);
    expect(claims()).toBe(2);
    await away();
    executor.lookAgain(); // another notebook was opened
    expect(claims()).toBe(3);
    expect(network.clock.pending).toBe(0);
  });

  it('is claimed at its own time, not when another call looks again', async () => {
    const isFree = vi.fn().mockResolvedValue(false);
    tool.isFree = isFree;
    const held = [START, ALLOWED];
    executor.update(after(...held));
    await flushPromises();
    network.clock.turn(500);
    await flushPromises();
    isFree.mockClear(); // the first call waits for 1000 ms now
    const other = [
      { ...START, part: 1, tool_call_id: 'c2' },
      { ...ALLOWED, tool_call_id: 'c2' }
    ];
    executor.update(after(...held, ...other));
    await flushPromises();
    expect(isFree).toHaveBeenCalledTimes(1); // of the second call
    network.clock.turn(500);
    await flushPromises();
    expect(isFree).toHaveBeenCalledTimes(2); // of the second call again
    network.clock.turn(500);
    await flushPromises();
    expect(isFree).toHaveBeenCalledTimes(3);
  });

  it('is claimed again in a while if a proxy failed or the login ended, and no event comes', async () => {
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).fail(new ApiError(502, 'foreign', 'a proxy'));
    await flushPromises();
    network.clock.turn(500);
    expect(claims()).toBe(2);
    api.call('POST', CLAIM).fail(new ApiError(403, 'forbidden', 'signed out'));
    await flushPromises();
    network.clock.turn(999);
    expect(claims()).toBe(2);
    network.clock.turn(1);
    expect(claims()).toBe(3);
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    expect(execute).toHaveBeenCalledTimes(1);
  });

  it('is claimed again soon, however long another call has decided nothing', async () => {
    tool.isFree = async input => (input as { operation: string }).operation === 'read';
    const held = { ...START, tool_call_id: 'c2', input: { operation: 'propose' } };
    const allowed = [held, { ...ALLOWED, tool_call_id: 'c2' }];
    executor.update(after(...allowed));
    await flushPromises();
    for (let pause_ms = 500; pause_ms <= 16_000; pause_ms *= 2) {
      network.clock.turn(pause_ms);
      await flushPromises();
    }
    executor.update(after(...allowed, { ...START, part: 1 }, ALLOWED));
    await flushPromises();
    api.call('POST', CLAIM).fail(new ApiError(502, 'foreign', 'a proxy'));
    await flushPromises();
    network.clock.turn(500);
    await flushPromises();
    expect(claims()).toBe(2);
    expect(network.clock.pending).toBeLessThanOrEqual(2);
  });

  it.each([
    ['a proxy has lost its way to the server', new ApiError(404, 'foreign', 'no route')],
    ['a proxy refuses it', new ApiError(409, 'foreign', 'not now')],
    ['the server refuses it and does not tell why', new ApiError(409, 'consent_needed', 'no')]
  ])('is claimed again in a while if %s', async (_what, error) => {
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).fail(error);
    await flushPromises();
    network.clock.turn(500);
    expect(claims()).toBe(2);
  });

  it('keeps its result while a proxy has lost its way to the server', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    api.call('POST', RESULT).fail(new ApiError(404, 'foreign', 'no route'));
    await flushPromises();
    network.clock.turn(500);
    await flushPromises();
    expect(api.call('POST', RESULT).body).toMatchObject({ claim: 'k', success: true });
    expect([claims(), results(), execute.mock.calls.length]).toEqual([1, 2, 1]);
    warn.mockRestore();
  });

  it('is not claimed again in a thread that this page has closed', async () => {
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).fail(new ApiError(502, 'foreign', 'a proxy'));
    await flushPromises();
    executor.forget('t');
    network.clock.turn(600_000);
    executor.lookAgain();
    expect(claims()).toBe(1);
  });

  it('is not made if its claim may have ended before the response came, and fails instead', async () => {
    executor.update(after(START, ALLOWED));
    network.clock.turn(5_001);
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    expect(execute).not.toHaveBeenCalled();
    expect(api.call('POST', RESULT).body).toMatchObject({ claim: 'k', success: false });
  });

  it('fails if the server refuses its result, and that is sent once', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    const refuse = (status: number) =>
      api.call('POST', RESULT).fail(new ApiError(status, 'tool_output_too_large', 'Too large.'));
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    refuse(413);
    await flushPromises();
    const output = 'The call was made, but its result was refused: Too large.';
    expect(api.call('POST', RESULT).body).toEqual({ claim: 'k', success: false, output });
    refuse(400);
    await flushPromises();
    network.clock.turn(600_000);
    await flushPromises();
    expect([results(), execute.mock.calls.length]).toEqual([2, 1]);
    warn.mockRestore();
  });

  it('is not made again because its result was lost on the way: only the result is sent again', async () => {
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    api.call('POST', RESULT).fail(new ApiError(502, 'foreign', 'a proxy'));
    await flushPromises();
    network.clock.turn(500);
    await flushPromises();
    expect(results()).toBe(2);
    api.call('POST', RESULT).fail(notOpen('ended'));
    await flushPromises();
    network.clock.turn(600_000);
    await flushPromises();
    expect([results(), execute.mock.calls.length]).toEqual([2, 1]);
  });

  it('fails with a sentence if the page has an error of its own', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
    execute.mockImplementation(() => {
      throw new Error('secret detail');
    });
    executor.update(after(START, ALLOWED));
    api.call('POST', CLAIM).answer({ claim: 'k', until: 'x' });
    await flushPromises();
    const { success, output } = api.call('POST', RESULT).body as {
      success: boolean;
      output: string;
    };
    expect(success).toBe(false);
    expect(output).not.toContain('secret');
    expect(warn).toHaveBeenCalled();
    warn.mockRestore();
  });
});

it('offers its tools in a thread with each new socket, and a refusal ends no subscription', () => {
  const { connection } = network;
  const follower = connection.follow('t', () => undefined);
  executor.offerIn(follower);
  const offers = () => network.socket.sent.filter(({ op }) => op === 'offer');
  network.socket.open();
  expect(offers()).toEqual([
    {
      op: 'offer',
      thread: 't',
      executor: 'p1',
      label: 'a page',
      where: 'page',
      tools: [{ name: 'notebook', description: 'd', where: 'page' }]
    }
  ]);
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  network.socket.receive({ op: 'offered', thread: 't' });
  network.socket.receive({
    op: 'error',
    thread: 't',
    to: 'offer',
    error: { code: 'x', message: 'y' }
  });
  expect(follower.end).toBeNull();
  warn.mockRestore();
  network.socket.drop();
  network.clock.turn(10_000);
  network.socket.open();
  expect(offers().length).toBe(1);
  follower.dispose();
  expect(offers().at(-1)).toMatchObject({ thread: 't', executor: 'p1', tools: [] });
});
