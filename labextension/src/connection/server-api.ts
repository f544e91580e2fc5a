/**
 * Calls the REST API of our server extension, and reads its responses.
 *
 * `ServerApi` uses JupyterLab's ServerConnection, which adds the XSRF cookie, the token and the base
 * address. Tests replace it with another implementation of `Api`.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { type TranslationBundle } from '@jupyterlab/translation';

import { fieldsOf } from '../protocol/fields';
import { asObject, parseFailure } from '../protocol/parse';
import {
  type Api,
  ApiError,
  type ApiRequest,
  type Socket,
  type Upload,
  signedOutText
} from './api';

const BASE = 'api/chat-stream/';
/** How long a request may take until its response. */
const TIMEOUT_MS = 30_000;
/** How long a download may take until its last byte. */
const DOWNLOAD_TIMEOUT_MS = 300_000;

export class ServerApi implements Api {
  constructor(
    private readonly _settings: ServerConnection.ISettings,
    private readonly _trans: TranslationBundle
  ) {}

  async request({ method, path, body, headers, signal, isLast }: ApiRequest): Promise<unknown> {
    const init: RequestInit = { method, keepalive: isLast === true };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { 'Content-Type': 'application/json', ...headers };
    }
    return this._fetch(path, init, TIMEOUT_MS, signal, response =>
      readResponse(response, this._trans)
    );
  }

  async download(path: string): Promise<Blob> {
    return this._fetch(path, { method: 'GET' }, DOWNLOAD_TIMEOUT_MS, undefined, async response => {
      const isPage = /^text\/html\b/i.test(response.headers.get('Content-Type') ?? '');
      if (response.status === 200 && !isPage) {
        return response.blob();
      }
      if (response.status === 200) {
        // Our server sends no attachment as a page, so this is a login page.
        throw new ApiError(401, 'login_ended', signedOutText(this._trans));
      }
      await readResponse(response, this._trans); // throws the error of the response
      throw new ApiError(response.status, 'foreign', foreignText(response.status, this._trans));
    });
  }

  /** Send bytes. `fetch` reports no progress of an upload, so this uses XMLHttpRequest. */
  async upload(upload: Upload): Promise<unknown> {
    const { baseUrl, token, init } = this._settings;
    const url = URLExt.join(baseUrl, BASE, upload.path);
    const headers = { ...upload.headers };
    if (token !== '') {
      headers['Authorization'] = `token ${token}`;
    }
    const xsrf = xsrfToken(document.cookie);
    if (xsrf !== null) {
      headers['X-XSRFToken'] = xsrf;
    }
    const isCrossSite = init.credentials === 'include';
    return readResponse(await send(url, headers, isCrossSite, upload, this._trans), this._trans);
  }

  private async _fetch<T>(
    path: string,
    init: RequestInit,
    timeout_ms: number,
    signal: AbortSignal | undefined,
    read: (response: Response) => Promise<T>
  ): Promise<T> {
    const url = URLExt.join(this._settings.baseUrl, BASE, path);
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), timeout_ms);
    signal?.addEventListener('abort', () => abort.abort());
    if (signal?.aborted === true) {
      abort.abort();
    }
    try {
      // The chat API never redirects: a redirection leads to a login page.
      const request: RequestInit = { ...init, signal: abort.signal, redirect: 'manual' };
      return await read(await ServerConnection.makeRequest(url, request, this._settings));
    } catch (error) {
      throw error instanceof ApiError ? error : unreachable(this._trans);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Request the events after a cursor, waiting up to `wait_s` for the first. */
  poll(threadId: string, after: number, wait_s: number, signal: AbortSignal): Promise<unknown> {
    const path = `threads/${encodeURIComponent(threadId)}/events?after=${after}&wait=${wait_s}`;
    return this.request({ method: 'GET', path, signal });
  }

  /** Open a socket; the page has one at a time. */
  openSocket(): Socket {
    const { wsUrl, token, appendToken, WebSocket } = this._settings;
    const query = appendToken && token !== '' ? `?token=${encodeURIComponent(token)}` : '';
    return new WebSocket(URLExt.join(wsUrl, BASE, 'ws') + query);
  }
}

/** An upload without progress for this time has failed. */
const STALL_MS = 60_000;

function unreachable(trans: TranslationBundle): ApiError {
  return new ApiError(0, 'unreachable', trans.__('The server did not respond.'));
}

/** The value of Tornado's XSRF cookie. If there are several, the server uses the last one. */
export function xsrfToken(cookies: string): string | null {
  const values = cookies.split(';').map(cookie => /^\s*_xsrf=(.*)$/.exec(cookie)?.[1]);
  return values.filter(value => value !== undefined).at(-1) ?? null;
}

/** Send bytes, and report the progress. */
function send(
  url: string,
  headers: Readonly<Record<string, string>>,
  isCrossSite: boolean,
  { body, onProgress, signal }: Upload,
  trans: TranslationBundle
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    request.withCredentials = isCrossSite;
    Object.entries(headers).forEach(([name, value]) => request.setRequestHeader(name, value));
    let timer = setTimeout(() => request.abort(), STALL_MS);
    const restartTimer = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => request.abort(), STALL_MS);
    };
    request.upload.onprogress = event => {
      restartTimer();
      onProgress(event.loaded);
    };
    request.upload.onload = restartTimer;
    request.onload = () => {
      const { status, responseText } = request;
      const hasBody = status !== 204 && status !== 205 && status !== 304;
      resolve(new Response(hasBody ? responseText : null, { status }));
    };
    request.onerror = () => reject(unreachable(trans));
    request.onabort = () => reject(unreachable(trans));
    request.onloadend = () => clearTimeout(timer);
    signal.addEventListener('abort', () => request.abort());
    request.send(body);
  });
}

/**
 * Read a response: its JSON value, or null for an empty body.
 *
 * @throws ApiError if the server refused the request, or if a login page or a proxy responded.
 */
export async function readResponse(response: Response, trans: TranslationBundle): Promise<unknown> {
  const { status } = response;
  if (response.type === 'opaqueredirect' || (status >= 300 && status < 400)) {
    throw new ApiError(401, 'login_ended', signedOutText(trans));
  }
  const text = await response.text();
  let value: unknown = null;
  let isJson = true;
  try {
    value = text === '' ? null : JSON.parse(text);
  } catch {
    isJson = false; // a page of a login, a proxy, or a server without this extension
  }
  if (response.ok && isJson) {
    return value;
  }
  if (!response.ok && typeof value === 'object' && value !== null && 'error' in value) {
    throw refusal(status, asObject(value, 'A response')['error'], trans);
  }
  // An HTML page with status 200 instead of JSON is a login page.
  if (response.ok || status === 401 || status === 403) {
    throw new ApiError(status, 'login_ended', signedOutText(trans));
  }
  throw new ApiError(status, 'foreign', foreignText(status, trans));
}

/** Read the error from a response of our server. */
function refusal(status: number, error: unknown, trans: TranslationBundle): ApiError {
  const { code, message } = parseFailure(error);
  if (code === 'unauthenticated' || (code === 'forbidden' && /xsrf/i.test(message))) {
    return new ApiError(status, 'login_ended', signedOutText(trans));
  }
  return new ApiError(status, code, message, fieldsOf(error));
}

/** The sentence for a response that is not from our server. */
function foreignText(status: number, trans: TranslationBundle): string {
  if (status === 404) {
    return trans.__('jupyter-chat-stream is not enabled on this server.');
  }
  return trans.__(
    'The server or a proxy in front of it failed (status %1). Try again later.',
    status
  );
}
