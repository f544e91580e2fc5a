// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { NO_DRAFT, StoredDrafts } from '../../src/composer/drafts';
import { ApiError, newKey } from '../../src/connection/api';
import { tree } from '../branches';
import { FakePage, conversation, flushPromises } from '../fakes';

const SEND = 'threads/t/messages';

function opened() {
  const page = new FakePage();
  const client = page.threads.acquire('t');
  page.network.socket.open();
  return { page, client };
}

describe('a thread client', () => {
  it('is one per thread, and ends a while after its last view left', () => {
    const { page, client } = opened();
    expect(page.threads.acquire('t')).toBe(client);
    page.threads.release(client);
    page.network.clock.turn(60_000);
    expect(page.threads.find('t')).toBe(client);
    page.threads.release(client);
    expect(page.threads.find('t')).toBe(client);
    page.network.clock.turn(60_000);
    expect(page.threads.find('t')).toBeUndefined();
    expect(page.network.socket.isClosed).toBe(true);
  });

  it('stays without a view until its answer has ended: the answer may call tools of this page', () => {
    const { page, client } = opened();
    const events = conversation();
    const last = events.pop();
    page.network.socket.receive({ op: 'events', thread: 't', events });
    page.threads.release(client);
    page.network.clock.turn(60_000);
    expect(page.threads.find('t')).toBe(client);
    page.network.socket.receive({ op: 'events', thread: 't', events: [last] });
    page.network.clock.turn(60_000);
    expect(page.threads.find('t')).toBeUndefined();
  });

  it('does not stay for a message that is still to be delivered', () => {
    const { page, client } = opened();
    const later = [
      ['q', null, { status: 'waiting' }],
      ['a', 'q', { status: 'pending' }]
    ] as const;
    page.network.socket.receive({ op: 'events', thread: 't', events: tree(later) });
    expect(client.transcript.runs.get('r-a')?.status).toBe('pending');
    page.threads.release(client);
    page.network.clock.turn(60_000);
    expect(page.threads.find('t')).toBeUndefined();
  });

  it('stays when a view comes back in time', () => {
    const { page, client } = opened();
    page.threads.release(client);
    page.network.clock.turn(1_000);
    expect(page.threads.acquire('t')).toBe(client);
    page.network.clock.turn(60_000);
    expect(page.threads.find('t')).toBe(client);
  });

  it('tells its listeners of a hundred frames once per drawn frame', () => {
    const { page, client } = opened();
    page.frame();
    let heard = 0;
    client.subscribe(() => (heard += 1));
    for (const event of conversation(Array.from({ length: 100 }, () => 'x'))) {
      page.network.socket.receive({ op: 'events', thread: 't', events: [event] });
    }
    expect(heard).toBe(0);
    expect(client.transcript.seq).toBe(106);
    page.frame();
    expect(heard).toBe(1);
    expect(client.getState().transcript.seq).toBe(106);
  });

  it('shows nothing that the log does not hold', async () => {
    const { page, client } = opened();
    client.setDraft('Why?');
    void client.send();
    page.api.call('POST', SEND).answer({});
    await flushPromises();
    page.frame();
    expect(client.getState().transcript.messages.size).toBe(0);
  });
});

describe('a draft', () => {
  it('is kept as it is typed, and dropped when the server has it', async () => {
    const { page, client } = opened();
    client.setDraft('Why?');
    expect(page.drafts.load('t')).toEqual({ ...NO_DRAFT, text: 'Why?', key: null });
    void client.send();
    expect(client.getState().isSending).toBe(true);
    const call = page.api.call('POST', SEND);
    expect(call.body).toEqual({ content: 'Why?' });
    call.answer({});
    await flushPromises();
    expect(client.getState()).toMatchObject({ draft: '', isSending: false, problem: null });
    expect(page.drafts.load('t').text).toBe('');
  });

  it('survives a failed send, and goes out under the same key again (L11)', async () => {
    const { page, client } = opened();
    client.setDraft('Why?');
    void client.send();
    page.api.call('POST', SEND).fail(new ApiError(0, 'unreachable', 'No answer.'));
    await flushPromises();
    expect(client.getState().draft).toBe('Why?');
    expect(client.getState().problem).toContain('No answer.');
    void client.send();
    const keys = page.api.calls.map(call => call.headers?.['Idempotency-Key']);
    expect(keys.length).toBe(2);
    expect(keys[0]).toBe(keys[1]);
    expect(keys[0]).not.toBe('');
  });

  it('keeps its key over a reload', async () => {
    const { page, client } = opened();
    client.setDraft('Why?');
    void client.send();
    page.api.call('POST', SEND).fail(new ApiError(0, 'unreachable', 'No answer.'));
    await flushPromises();
    const reloaded = new FakePage();
    reloaded.drafts.save('t', page.drafts.load('t'));
    const again = reloaded.threads.acquire('t');
    expect(again.getState().draft).toBe('Why?');
    void again.send();
    expect(reloaded.api.call('POST', SEND).headers).toEqual(page.api.call('POST', SEND).headers);
  });

  it('is another message under another key once it was changed', async () => {
    const { page, client } = opened();
    client.setDraft('Why?');
    void client.send();
    page.api.call('POST', SEND).fail(new ApiError(503, 'store_error', 'Disk full.'));
    await flushPromises();
    client.setDraft('Why not?');
    void client.send();
    const [first, second] = page.api.calls.map(call => call.headers?.['Idempotency-Key']);
    expect(first).not.toBe(second);
  });

  it('keeps what was typed while the one before was under way', async () => {
    const { page, client } = opened();
    client.setDraft('Why?');
    void client.send();
    client.setDraft('Why? And');
    page.api.call('POST', SEND).answer({});
    await flushPromises();
    expect(client.getState().draft).toBe('Why? And');
  });

  it('is sent once however often Enter is pressed, and never empty', async () => {
    const { page, client } = opened();
    client.setDraft('  \n');
    await client.send();
    expect(page.api.calls).toEqual([]);
    client.setDraft('Why?');
    void client.send();
    void client.send();
    expect(page.api.calls.length).toBe(1);
  });

  it('is stored in the storage it is given, and outlives one that refuses', () => {
    const held = new Map<string, string>();
    const storage = {
      getItem: (key: string) => held.get(key) ?? null,
      setItem: (key: string, value: string) => void held.set(key, value),
      removeItem: (key: string) => void held.delete(key)
    } as unknown as Storage;
    const drafts = new StoredDrafts(() => storage);
    drafts.save('t', { ...NO_DRAFT, text: 'x', key: 'k' });
    expect(drafts.load('t')).toEqual({ ...NO_DRAFT, text: 'x', key: 'k' });
    drafts.save('t', { ...NO_DRAFT, text: '', key: null });
    expect(held.size).toBe(0);
    held.set('jupyter-chat-stream:draft:t', '{"text":3}');
    expect(drafts.load('t').text).toBe('');
    const refused = new StoredDrafts(() => {
      throw new Error('denied');
    });
    refused.save('t', { ...NO_DRAFT, text: 'x', key: null });
    expect(refused.load('t').text).toBe('');
  });
});

describe('a command', () => {
  it('is under way once per run, and says what went wrong', async () => {
    const { page, client } = opened();
    void client.command('r', 'cancel');
    void client.command('r', 'cancel');
    expect(page.api.calls.length).toBe(1);
    expect(client.getState().acting.has('r')).toBe(true);
    page.api.call('POST', 'runs/r/cancel').fail(new ApiError(409, 'run_not_ended', 'Not yet.'));
    await flushPromises();
    expect(client.getState().acting.has('r')).toBe(false);
    expect(client.getState().problem).toBe('Not yet.');
  });

  it('stays silent where somebody else has answered first: the log tells', async () => {
    const { page, client } = opened();
    void client.answer('r', 'q1', 'yes');
    const call = page.api.call('POST', 'runs/r/input');
    expect(call.body).toEqual({ request_id: 'q1', value: 'yes' });
    call.fail(new ApiError(409, 'request_not_open', 'Answered.'));
    await flushPromises();
    expect(client.getState().problem).toBeNull();
  });

  it('sets the model and the parameters of the thread', () => {
    const { page, client } = opened();
    void client.change({ model: 'demo/fast', params: { seed: 1 } });
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({
      model: 'demo/fast',
      params: { seed: 1 }
    });
  });
});

describe('a thread that cannot be shown', () => {
  it('is missing where the socket says so', () => {
    const { page, client } = opened();
    const error = { code: 'thread_not_found', message: 'x' };
    page.network.socket.receive({ op: 'error', thread: 't', error });
    page.frame();
    expect(client.getState().end?.why).toBe('missing');
  });

  it('is absent where the server does not know the API at all', async () => {
    const page = new FakePage();
    const client = page.threads.acquire('t');
    page.network.socket.drop();
    page.api.call('GET', 'threads/t').fail(new ApiError(404, 'foreign', '404'));
    await flushPromises();
    expect(client.getState().end?.why).toBe('absent');
  });

  it('is waited for where the server only does not answer', async () => {
    const page = new FakePage();
    const client = page.threads.acquire('t');
    page.network.socket.drop();
    page.api.call('GET', 'threads/t').fail(new ApiError(0, 'unreachable', 'no'));
    await flushPromises();
    expect(client.getState().end).toBeNull();
  });

  it('is deleted where the log says so', () => {
    const { page, client } = opened();
    page.network.socket.receive({ op: 'closed', thread: 't', reason: 'deleted' });
    page.frame();
    expect(client.getState().end?.why).toBe('deleted');
  });
});

it('makes keys without a secure context too', () => {
  const source = { getRandomValues: (bytes: Uint8Array) => bytes.fill(7) } as unknown as Crypto;
  expect(newKey(source)).toBe('07'.repeat(16));
  expect(newKey()).not.toBe(newKey());
});

describe('the attachments of a draft', () => {
  const record = { id: '1', name: 'a.txt', type: 'text/plain', size: 1, sha256: 'h' };
  const file = { name: 'a.txt', blob: new Blob(['x'], { type: 'text/plain' }) };

  async function attached() {
    const { page, client } = opened();
    client.attach([file]);
    await flushPromises();
    page.api.call('GET', 'status').answer({});
    await flushPromises();
    page.api.uploads[0]?.answer(record);
    await flushPromises();
    return { page, client };
  }

  it('survive a reload once the server has them, and are told of if it has not', async () => {
    const { page, client } = await attached();
    client.attach([{ ...file, name: 'b.txt' }]);
    await flushPromises();
    page.threads.release(client);
    page.network.clock.turn(60_000);
    expect(page.api.uploads[1]?.signal.aborted).toBe(true);
    const again = page.threads.acquire('t');
    expect(again.getState().attachments.map(({ id, state }) => [id, state])).toEqual([
      ['1', 'attached'],
      [null, 'failed']
    ]);
  });

  it('make another message of the same text, and no upload in progress does (L11)', async () => {
    const { page, client } = await attached();
    void client.send();
    page.api.call('POST', SEND).fail(new ApiError(0, 'unreachable', 'No.'));
    await flushPromises();
    const key = page.drafts.load('t').key;
    expect(key).not.toBeNull();
    void client.send();
    expect(page.api.call('POST', SEND).headers).toEqual({ 'Idempotency-Key': key });
    page.api.call('POST', SEND).fail(new ApiError(0, 'unreachable', 'No.'));
    await flushPromises();
    client.attach([file]);
    expect(page.drafts.load('t').key).toBeNull();
  });

  it('that the server has deleted are marked, and can be uploaded again', async () => {
    const { page, client } = await attached();
    void client.send();
    const facts = { attachment_id: '1' };
    page.api.call('POST', SEND).fail(new ApiError(404, 'attachment_not_found', 'No.', facts));
    await flushPromises();
    expect(client.getState().attachments).toMatchObject([{ state: 'failed', mayRetry: true }]);
    client.uploads.retry(client.uploads.items[0]?.key ?? '');
    await flushPromises();
    page.api.uploads[1]?.answer({ ...record, id: '2' });
    await flushPromises();
    void client.send();
    expect(page.api.call('POST', SEND).body).toEqual({ content: '', attachments: ['2'] });
  });

  it('that were added while the message was under way stay for the next one', async () => {
    const { page, client } = await attached();
    void client.send();
    client.attach([{ ...file, name: 'b.txt' }]);
    page.api.call('POST', SEND).answer({});
    await flushPromises();
    expect(client.getState().attachments.map(({ name }) => name)).toEqual(['b.txt']);
  });
});
