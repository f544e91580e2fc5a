// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { AttachmentFiles } from '../../src/composer/attachment-files';
import { type DraftAttachment } from '../../src/composer/drafts';
import {
  AGAIN_AFTER_MS,
  type NamedBlob,
  UploadQueue,
  tooLargeText
} from '../../src/composer/uploads';
import { ApiError } from '../../src/connection/api';
import { ENGLISH, FakeApi, flushPromises, flushReads } from '../fakes';

const MB = 1_000_000;

function queue(options: { most?: number | null; kept?: readonly DraftAttachment[] } = {}) {
  const api = new FakeApi();
  const files = new AttachmentFiles(api);
  let changes = 0;
  const uploads = new UploadQueue(
    {
      api,
      files,
      ...ENGLISH,
      maxBytes: () => Promise.resolve(options.most === undefined ? 20 * MB : options.most),
      onChange: () => (changes += 1)
    },
    options.kept ?? []
  );
  return { api, files, uploads, changes: () => changes };
}

function named(
  name: string,
  content: string | Uint8Array<ArrayBuffer> = 'x',
  type = ''
): NamedBlob {
  return { name, blob: new Blob([content], { type }) };
}

const stored = (id: string, more: object = {}) => ({
  id,
  name: 'n',
  type: 'text/plain',
  size: 1,
  sha256: 'h',
  ...more
});
const states = (uploads: UploadQueue) => uploads.items.map(item => item.state);

describe('attachments of a draft', () => {
  it('are uploaded two at a time, in their order, with their type and name', async () => {
    const { api, uploads } = queue();
    uploads.add([
      named('a.csv'),
      named('b.png', 'x', 'image/png'),
      named('c.ts', 'x', 'video/mp2t')
    ]);
    await flushPromises();
    expect(states(uploads)).toEqual(['uploading', 'uploading', 'waiting']);
    expect(api.uploads.map(one => one.headers)).toEqual([
      {
        'Content-Type': 'text/csv',
        'Content-Disposition': "attachment; filename*=UTF-8''a.csv"
      },
      {
        'Content-Type': 'image/png',
        'Content-Disposition': "attachment; filename*=UTF-8''b.png"
      }
    ]);
    api.uploads[0]?.answer(stored('1'));
    await flushPromises();
    expect(states(uploads)).toEqual(['attached', 'uploading', 'uploading']);
    expect(api.uploads[2]?.headers['Content-Type']).toBe('application/octet-stream');
  });

  it('tell how much of them was sent, and what the server made of them', async () => {
    const { api, uploads } = queue();
    uploads.add([named('a.png', 'x'.repeat(200), 'image/png')]);
    await flushPromises();
    api.uploads[0]?.onProgress(50);
    expect(uploads.items[0]?.progress).toBe(0.25);
    api.uploads[0]?.onProgress(230); // some browsers count the headers, too
    expect(uploads.items[0]?.progress).toBe(1);
    api.uploads[0]?.answer(stored('1', { type: 'image/jpeg', size: 200 }));
    await flushPromises();
    expect(uploads.items[0]).toMatchObject({ id: '1', type: 'image/jpeg', state: 'attached' });
  });

  it('are refused before their upload if the server takes no file of that size', async () => {
    const { api, uploads } = queue({ most: 10 });
    uploads.add([named('big.txt', 'x'.repeat(11)), named('fits.txt', 'x'.repeat(10))]);
    await flushPromises();
    expect(uploads.items.map(item => item.error)).toEqual([
      'Too large: 11 bytes. This server takes files of up to 10 bytes.',
      null
    ]);
    expect(uploads.items[0]?.mayRetry).toBe(false);
    expect(api.uploads.length).toBe(1);
  });

  it('are told with the digits in which they differ from the bound', () => {
    const text = tooLargeText(20 * 1_024 * 1_024 + 1, 20 * 1_024 * 1_024, 'en', ENGLISH.trans);
    expect(text).toBe('Too large: 20.000001 MB. This server takes files of up to 20 MB.');
  });

  it('are left to the server if it does not tell its bound', async () => {
    const { api, uploads } = queue({ most: null });
    uploads.add([named('big.txt', 'x'.repeat(11))]);
    await flushPromises();
    expect(api.uploads.length).toBe(1);
  });

  it('fail with the sentence of the server, and the others go on', async () => {
    const { api, uploads } = queue();
    uploads.add([named('a.zip', 'PK\u0000', 'application/zip'), named('b.txt'), named('c.txt')]);
    await flushPromises();
    api.uploads[0]?.fail(
      new ApiError(415, 'attachment_type_refused', 'No model reads application/zip.')
    );
    await flushPromises();
    expect(uploads.items[0]).toMatchObject({
      state: 'failed',
      error: 'No model reads application/zip.',
      mayRetry: false
    });
    expect(states(uploads).slice(1)).toEqual(['uploading', 'uploading']);
  });

  it.each([
    [401, 'login_ended'],
    [409, 'too_much_unsent'],
    [409, 'upload_lost']
  ])('can be tried again after a refusal that ends (%i %s)', async (status, code) => {
    const { api, uploads } = queue();
    uploads.add([named('a.txt')]);
    await flushPromises();
    api.uploads[0]?.fail(new ApiError(status, code, 'No.'));
    await flushPromises();
    expect(uploads.items[0]).toMatchObject({ state: 'failed', mayRetry: true });
  });

  it('have the bytes of the moment when they were read, whatever becomes of the file', async () => {
    const { api, files, uploads } = queue();
    const file = new File(['old'], 'a.png', { type: 'image/png' });
    uploads.add([{ name: 'a.png', blob: file }]);
    await flushReads();
    expect(api.uploads[0]?.body).not.toBe(file);
    api.uploads[0]?.answer(stored('1'));
    await flushReads();
    expect(await files.load('1')).toBe(api.uploads[0]?.body);
    expect(uploads.blob(uploads.items[0]?.key ?? '')).toBe(api.uploads[0]?.body);
  });

  it('fail with a sentence where the browser cannot read a file', async () => {
    const { api, uploads } = queue();
    const file = new File(['old'], 'a.png', { type: 'image/png' });
    file.arrayBuffer = () => Promise.reject(new DOMException('changed', 'NotReadableError'));
    uploads.add([{ name: 'a.png', blob: file }]);
    await flushReads();
    expect(uploads.items[0]).toMatchObject({
      state: 'failed',
      error: 'The browser could not read this file.',
      mayRetry: false
    });
    expect(api.uploads).toEqual([]);
  });

  it('are not read into memory where no server would take them', async () => {
    const { uploads } = queue({ most: 2 });
    const file = new File(['old'], 'a.png', { type: 'image/png' });
    const read = vi.fn(() => Promise.resolve(new ArrayBuffer(3)));
    file.arrayBuffer = read;
    uploads.add([{ name: 'a.png', blob: file }]);
    await flushReads();
    expect(uploads.items[0]?.error).toContain('Too large');
    expect(read).not.toHaveBeenCalled();
  });

  describe('whose connection breaks', () => {
    const cut = () => new ApiError(0, 'unreachable', 'The server did not respond.');

    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    });
    afterEach(() => {
      vi.useRealTimers();
    });

    it('are sent again by themselves, once', async () => {
      const { api, uploads } = queue();
      uploads.add([named('a.txt')]);
      await flushPromises();
      api.uploads[0]?.fail(cut());
      await flushPromises();
      expect(states(uploads)).toEqual(['uploading']);
      expect(api.uploads.length).toBe(1);
      await vi.advanceTimersByTimeAsync(AGAIN_AFTER_MS);
      await flushPromises();
      api.uploads[1]?.answer(stored('1'));
      await flushPromises();
      expect(states(uploads)).toEqual(['attached']);
    });

    it('can be tried again after that', async () => {
      const { api, uploads } = queue();
      uploads.add([named('a.txt')]);
      await flushPromises();
      api.uploads[0]?.fail(cut());
      await flushPromises();
      await vi.advanceTimersByTimeAsync(AGAIN_AFTER_MS);
      await flushPromises();
      api.uploads[1]?.fail(cut());
      await flushPromises();
      const [item] = uploads.items;
      expect(item).toMatchObject({ state: 'failed', mayRetry: true });
      uploads.retry(item?.key ?? '');
      await flushPromises();
      expect(states(uploads)).toEqual(['uploading']);
      api.uploads[2]?.answer(stored('1'));
      await flushPromises();
      expect(states(uploads)).toEqual(['attached']);
    });

    it('are not sent again when they were removed, or refused', async () => {
      const { api, uploads } = queue();
      uploads.add([named('a.txt'), named('b.txt')]);
      await flushPromises();
      api.uploads[0]?.fail(cut());
      api.uploads[1]?.fail(new ApiError(415, 'attachment_type_refused', 'No.'));
      await flushPromises();
      uploads.remove(uploads.items[0]?.key ?? '');
      await vi.advanceTimersByTimeAsync(AGAIN_AFTER_MS);
      await flushPromises();
      expect(api.uploads.length).toBe(2);
      expect(states(uploads)).toEqual(['failed']);
    });
  });

  it('make room for the next one when they are removed on their way', async () => {
    const { api, uploads } = queue();
    uploads.add([named('a.txt'), named('b.txt'), named('c.txt')]);
    await flushPromises();
    uploads.remove(uploads.items[0]?.key ?? '');
    await flushPromises();
    expect(api.uploads[0]?.signal.aborted).toBe(true);
    expect(states(uploads)).toEqual(['uploading', 'uploading']);
    expect(api.uploads.length).toBe(3);
  });

  it('are never more under way than two, whatever is removed and added', async () => {
    const { api, uploads } = queue();
    uploads.add(Array.from({ length: 8 }, (_, index) => named(`${index}.txt`)));
    for (let round = 0; round < 8; round += 1) {
      await flushPromises();
      const active = uploads.items.filter(item => item.state === 'uploading');
      expect(active.length).toBeLessThanOrEqual(2);
      uploads.remove(active[round % active.length]?.key ?? '');
    }
    await flushPromises();
    expect(uploads.items).toEqual([]);
    expect(api.uploads.every(one => one.signal.aborted)).toBe(true);
  });

  it('are settled when the last upload has ended, in whatever way', async () => {
    const { api, uploads } = queue();
    await uploads.untilSettled(new Set());
    uploads.add([named('a.txt'), named('b.txt'), named('c.txt')]);
    const keys = new Set(uploads.items.map(item => item.key));
    uploads.add([named('later.txt')]);
    await flushPromises();
    let isSettled = false;
    void uploads.untilSettled(keys).then(() => (isSettled = true));
    api.uploads[0]?.answer(stored('1'));
    uploads.remove(uploads.items[1]?.key ?? '');
    await flushPromises();
    expect(isSettled).toBe(false);
    api.uploads[2]?.fail(new ApiError(413, 'attachment_too_large', 'Too large.'));
    await flushPromises();
    expect(isSettled).toBe(true);
  });

  it('are at most 20; the rest is not taken', async () => {
    const { uploads } = queue();
    expect(uploads.add(Array.from({ length: 23 }, () => named('a.txt')))).toBe(3);
    expect(uploads.items.length).toBe(20);
    expect(uploads.add([named('one more.txt')])).toBe(1);
  });

  it('keep over a reload what the server has, and tell what it has not', () => {
    const one = { name: 'a.txt', type: 'text/plain', size: 1 };
    const { uploads, api } = queue({
      kept: [
        { ...one, id: '1' },
        { ...one, id: null }
      ]
    });
    expect(uploads.items.map(item => [item.state, item.id, item.mayRetry])).toEqual([
      ['attached', '1', false],
      ['failed', null, false]
    ]);
    expect(uploads.items[1]?.error).toBe(
      'This file was not uploaded before the chat was closed. Attach it again.'
    );
    expect(uploads.draftItems).toEqual([
      { ...one, id: '1' },
      { ...one, id: null }
    ]);
    expect(api.uploads).toEqual([]);
  });

  it('show the name of a file without what could hide or turn it', async () => {
    const { api, uploads } = queue();
    uploads.add([named('invoice\u202efdp.\u0000<img src=x>.txt')]);
    await flushPromises();
    expect(uploads.items[0]?.name).toBe('invoice\ufffdfdp.\ufffd<img src=x>.txt');
    expect(api.uploads[0]?.headers['Content-Disposition']).toMatch(
      /^attachment; filename\*=UTF-8''[\w%.-]+$/
    );
  });

  it('are deleted on the server if they are removed', async () => {
    const { api, uploads } = queue();
    uploads.add([named('a.txt')]);
    await flushPromises();
    api.uploads[0]?.answer(stored('1'));
    await flushPromises();
    uploads.remove(uploads.items[0]?.key ?? '');
    api.call('DELETE', 'attachments/1').fail(new ApiError(409, 'attachment_in_use', 'In use.'));
    await flushPromises();
    expect(uploads.items).toEqual([]);
  });

  it('have no type in their request if neither browser nor ending tells one that is sure', async () => {
    const { api, uploads } = queue();
    uploads.add([named('Makefile'), named('a.ts', 'x', 'video/mp2t')]);
    await flushPromises();
    api.uploads.forEach(one =>
      expect(one.headers['Content-Type']).toBe('application/octet-stream')
    );
  });

  it('may be read later, and fail if they cannot be read', async () => {
    const { api, uploads } = queue();
    const later = { name: 'a.csv', blob: async () => new Blob(['a,b']) };
    const folder = async (): Promise<Blob> => {
      throw new ApiError(400, 'folder', 'A folder cannot be attached.');
    };
    uploads.add([later, { name: 'data', blob: folder }]);
    await flushPromises();
    expect(uploads.items.map(item => [item.state, item.size, item.error])).toEqual([
      ['uploading', 3, null],
      ['failed', 0, 'A folder cannot be attached.']
    ]);
    expect(api.uploads.length).toBe(1);
  });
});

describe('the bytes of attachments', () => {
  it('are requested once for several readers, and kept', async () => {
    const { api, files } = queue();
    const blob = new Blob(['x']);
    api.bytes.set('attachments/1', blob);
    expect(await Promise.all([files.load('1'), files.load('1')])).toEqual([blob, blob]);
    await files.load('1');
    expect(api.downloads).toEqual(['attachments/1']);
  });

  it('are not requested for what this page has uploaded', async () => {
    const { api, files, uploads } = queue();
    uploads.add([named('a.png', 'x', 'image/png')]);
    await flushPromises();
    api.uploads[0]?.answer(stored('1'));
    await flushPromises();
    expect((await files.load('1')).size).toBe(1);
    expect(api.downloads).toEqual([]);
  });

  it('are forgotten beyond a bound, those that were not used for longest first', async () => {
    const api = new FakeApi();
    const files = new AttachmentFiles(api, 10);
    ['1', '2', '3'].forEach(id => api.bytes.set(`attachments/${id}`, new Blob(['xxxx'])));
    for (const id of ['1', '2', '1', '3', '1', '2']) {
      await files.load(id);
    }
    expect(api.downloads.map(path => path.at(-1))).toEqual(['1', '2', '3', '2']);
  });

  it('that are missing are asked for again by the next reader', async () => {
    const { api, files } = queue();
    await expect(files.load('1')).rejects.toMatchObject({ status: 404 });
    api.bytes.set('attachments/1', new Blob(['x']));
    expect((await files.load('1')).size).toBe(1);
  });
});
