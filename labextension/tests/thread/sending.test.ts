// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { NO_DRAFT } from '../../src/composer/drafts';
import { ApiError } from '../../src/connection/api';
import { FakePage, flushPromises } from '../fakes';

const SEND = 'threads/t/messages';
const named = (name: string) => ({ name, blob: new Blob(['x'], { type: 'text/plain' }) });
const stored = (id: string) => ({ id, name: 'n', type: 'text/plain', size: 1, sha256: 'h' });

/** A page where a text was sent while its file is on the way. */
async function sending(text = 'Why?') {
  const page = new FakePage();
  const client = page.threads.acquire('t');
  page.network.socket.open();
  client.setDraft(text);
  client.attach([named('a.txt')]);
  page.api.call('GET', 'status').answer({});
  await flushPromises();
  const isSent = client.send();
  await flushPromises();
  const upload = async (index: number): Promise<void> => {
    page.api.uploads[index]?.answer(stored(String(index)));
    await flushPromises();
  };
  const posts = () => page.api.calls.filter(call => call.path === SEND);
  return { page, client, isSent, upload, posts };
}

describe('a message that waits for its uploads', () => {
  it('is not sent without its file where the chat is closed meanwhile, and is kept (L11)', async () => {
    const { page, client, isSent, posts } = await sending();
    client.dispose();
    expect(await isSent).toBe(false);
    expect(posts()).toEqual([]);
    const { text, attachments } = page.drafts.load('t');
    expect([text, attachments.map(file => file.name)]).toEqual(['Why?', ['a.txt']]);
  });

  it('leaves no attachment in the draft where the chat is closed before the response', async () => {
    const { page, client, isSent, upload, posts } = await sending();
    await upload(0);
    client.dispose();
    posts()[0]?.answer({});
    expect(await isSent).toBe(true);
    expect(page.drafts.load('t')).toEqual(NO_DRAFT);
  });

  it('has the files of the moment when it was sent; a later file is for the next one', async () => {
    const { client, isSent, upload, posts } = await sending();
    client.attach([named('later.txt')]);
    await flushPromises();
    await upload(0);
    expect(posts().map(call => call.body)).toEqual([{ content: 'Why?', attachments: ['0'] }]);
    posts()[0]?.answer({});
    expect(await isSent).toBe(true);
    expect(client.uploads.items.map(file => file.name)).toEqual(['later.txt']);
  });

  it('has another key once its files are others', async () => {
    const { client, isSent, upload, posts } = await sending();
    client.attach([named('later.txt')]);
    await flushPromises();
    await upload(0);
    posts()[0]?.fail(new ApiError(0, 'unreachable', 'The server did not respond.'));
    await isSent;
    await upload(1);
    void client.send();
    await flushPromises();
    const [one, two] = posts();
    expect(two?.body).toEqual({ content: 'Why?', attachments: ['0', '1'] });
    expect(two?.headers?.['Idempotency-Key']).not.toBe(one?.headers?.['Idempotency-Key']);
  });

  it('is kept as a message where it has no text', async () => {
    const { client, isSent, upload, posts } = await sending('');
    await upload(0);
    posts()[0]?.fail(new ApiError(0, 'unreachable', 'The server did not respond.'));
    await isSent;
    expect(client.getState().problem).toBe('The server did not respond. Your message is kept.');
  });

  it('is silently none where all that it had was removed', async () => {
    const { client, isSent, posts } = await sending('');
    client.uploads.remove(client.uploads.items[0]?.key ?? '');
    expect(await isSent).toBe(false);
    expect(posts()).toEqual([]);
    expect(client.getState().problem).toBeNull();
  });
});
