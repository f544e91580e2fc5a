/**
 * The REST API of our server extension, and how its responses are read.
 *
 * `ServerApi` uses JupyterLab's ServerConnection, which adds the XSRF cookie, the token and the base
 * address. Tests replace it with another implementation of `Api`.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Socket } from './connection';
import { type Api, ApiError, type ApiRequest, signedOutText } from './api';
import { asObject, parseFailure } from './parse';

const BASE = 'api/chat-stream/';
/** A request without a response by then has failed. */
const TIMEOUT_MS = 30_000;

export class ServerApi implements Api {
  constructor(settings: ServerConnection.ISettings, trans: TranslationBundle) {
    this._settings = settings;
    this._trans = trans;
  }

  async request({ method, path, body, headers, signal }: ApiRequest): Promise<unknown> {
    const url = URLExt.join(this._settings.baseUrl, BASE, path);
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
    signal?.addEventListener('abort', () => abort.abort());
    try {
      // The chat API never redirects: a redirection leads to a login page.
      const init: RequestInit = { method, signal: abort.signal, redirect: 'manual' };
      if (body !== undefined) {
        init.body = JSON.stringify(body);
        init.headers = { 'Content-Type': 'application/json', ...headers };
      }
      const response = await ServerConnection.makeRequest(url, init, this._settings);
      return await readResponse(response, this._trans);
    } catch (error) {
      if (error instanceof ApiError) {
        throw error;
      }
      throw new ApiError(0, 'unreachable', this._trans.__('The server did not respond.'));
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

  private readonly _settings: ServerConnection.ISettings;
  private readonly _trans: TranslationBundle;
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
    isJson = false; // a page of a login, of a proxy, or of a server without this extension
  }
  if (response.ok && isJson) {
    return value;
  }
  if (!response.ok && typeof value === 'object' && value !== null && 'error' in value) {
    throw refusal(status, asObject(value, 'A response')['error'], trans);
  }
  // A page with status 200 in place of JSON is a login page.
  if (response.ok || status === 401 || status === 403) {
    throw new ApiError(status, 'login_ended', signedOutText(trans));
  }
  throw new ApiError(status, 'foreign', foreignText(status, trans));
}

/** The error that our server put into its response. */
function refusal(status: number, error: unknown, trans: TranslationBundle): ApiError {
  const { code, message } = parseFailure(error);
  if (code === 'unauthenticated' || (code === 'forbidden' && /xsrf/i.test(message))) {
    return new ApiError(status, 'login_ended', signedOutText(trans));
  }
  const facts = typeof error === 'object' && error !== null ? { ...error } : {};
  return new ApiError(status, code, message, facts);
}

/** What to say when something else than our server responded. */
function foreignText(status: number, trans: TranslationBundle): string {
  if (status === 404) {
    return trans.__('jupyter-chat-stream is not enabled on this server.');
  }
  return trans.__(
    'The server or a proxy in front of it failed (status %1). Try again later.',
    status
  );
}
