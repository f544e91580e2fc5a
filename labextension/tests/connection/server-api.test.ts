// @vitest-environment node
// Node refuses the abort signals of jsdom.
import { ServerConnection } from '@jupyterlab/services';
import { describe, expect, it } from 'vitest';

import { ApiError } from '../../src/connection/api';
import { ServerApi, readResponse } from '../../src/connection/server-api';
import { ENGLISH } from '../fakes';

const refusal = async (response: Response): Promise<ApiError> => {
  const error: unknown = await readResponse(response, ENGLISH.trans).then(
    () => null,
    (reason: unknown) => reason
  );
  if (!(error instanceof ApiError)) {
    throw new Error('It was no refusal.');
  }
  return error;
};
const json = (status: number, value: object) => new Response(JSON.stringify(value), { status });
const page = (status: number) => new Response('<html><title>Sign in</title></html>', { status });

const apiOver = (fetch: (request: Request) => Promise<Response>): ServerApi => {
  const baseUrl = 'http://127.0.0.1/';
  const settings = { ...ServerConnection.makeSettings({ baseUrl }), fetch };
  return new ServerApi(settings as ServerConnection.ISettings, ENGLISH.trans);
};

describe('a request', () => {
  it.each(['before it is sent', 'while it is under way'])('is aborted %s', async when => {
    let isAborted = false;
    // As a browser's: it sends nothing if the signal is aborted, and breaks off when it is.
    const endless = ({ signal }: Request): Promise<Response> =>
      new Promise((_resolve, reject) => {
        const end = (): void => {
          isAborted = true;
          reject(new Error('aborted'));
        };
        signal.addEventListener('abort', end);
        if (signal.aborted) {
          end();
        }
      });
    const abort = new AbortController();
    if (when === 'before it is sent') {
      abort.abort();
    }
    const request = { method: 'GET', path: 'models', signal: abort.signal } as const;
    const response = apiOver(endless).request(request);
    abort.abort();
    await expect(response).rejects.toMatchObject({ status: 0, code: 'unreachable' });
    expect(isAborted).toBe(true);
  });
});

describe('a download', () => {
  const api = (answer: Response): ServerApi => apiOver(() => Promise.resolve(answer));
  const answer = (type: string) =>
    new Response('<b>x</b>', { status: 200, headers: { 'Content-Type': type } });

  it('is the bytes of an attachment', async () => {
    const blob = await api(answer('text/plain; charset=utf-8')).download('attachments/1');
    expect(blob.size).toBe('<b>x</b>'.length);
  });

  it('is never the page where one logs in', async () => {
    const login = api(answer('text/html; charset=utf-8')).download('attachments/1');
    await expect(login).rejects.toMatchObject({ code: 'login_ended' });
  });
});

describe('what comes instead of a response of our server', () => {
  it.each([
    [
      'a token that is gone',
      json(403, { error: { code: 'unauthenticated', message: 'no token' } })
    ],
    ['a hub that refuses', json(403, { message: 'Forbidden', reason: null })],
    ['a proxy that refuses', page(401)],
    ['a page where one logs in', page(200)],
    ['a redirection', new Response(null, { status: 302 })],
    [
      'a cookie of the login before',
      json(403, { error: { code: 'forbidden', message: "'_xsrf' argument missing from POST" } })
    ]
  ])('is an ended login: %s', async (_name, answer) => {
    const error = await refusal(answer);
    expect(error.code).toBe('login_ended');
    expect(error.message).toBe('You are signed out. Reload this page to sign in again.');
  });

  it('is no ended login where the administrator refuses', async () => {
    const message = 'You may not write on chat-stream here.';
    const error = await refusal(json(403, { error: { code: 'forbidden', message } }));
    expect([error.code, error.message]).toEqual(['forbidden', message]);
  });

  it.each([502, 503, 504, 424])('is a failure on the way with status %i', async status => {
    const error = await refusal(page(status));
    expect(error.code).toBe('foreign');
    expect(error.message).toContain('Try again');
  });

  it('is no chat at all where the address is unknown', async () => {
    const error = await refusal(page(404));
    expect([error.status, error.code]).toEqual([404, 'foreign']);
  });

  it('is nothing where nothing was to say, and what was said else', async () => {
    expect(await readResponse(new Response(null, { status: 204 }), ENGLISH.trans)).toBeNull();
    expect(await readResponse(json(200, { seq: 3 }), ENGLISH.trans)).toEqual({ seq: 3 });
  });
});
