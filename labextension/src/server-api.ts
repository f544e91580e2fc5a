/**
 * The REST commands of one page, and the errors they give.
 *
 * `ServerApi` goes through JupyterLab's ServerConnection, so that XSRF cookie, token and base
 * address are Jupyter's. Tests hand `Api` to what is above it.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { type Socket } from './connection';
import { type ApiRequest, type Api, ApiError, LOGIN_ENDED } from './api';
import { asObject, parseFailure } from './parse';

const BASE = 'api/chat-stream/';
const PATIENCE_MS = 30_000;

export class ServerApi implements Api {
  constructor(settings: ServerConnection.ISettings) {
    this._settings = settings;
  }

  async request({ method, path, body, headers, signal }: ApiRequest): Promise<unknown> {
    const url = URLExt.join(this._settings.baseUrl, BASE, path);
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
    signal?.addEventListener('abort', () => patience.abort());
    try {
      // Nothing of ours is ever elsewhere: a redirection leads to a login page.
      const init: RequestInit = { method, signal: patience.signal, redirect: 'manual' };
      if (body !== undefined) {
        init.body = JSON.stringify(body);
        init.headers = { 'Content-Type': 'application/json', ...headers };
      }
      const answer = await ServerConnection.makeRequest(url, init, this._settings);
      return await readResponse(answer);
    } catch (error) {
      if (error instanceof ApiError) {
        throw error;
      }
      throw new ApiError(0, 'unreachable', 'The server did not answer.');
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ask once for what comes after a cursor. */
  poll(threadId: string, after: number, wait_s: number, signal: AbortSignal): Promise<unknown> {
    const path = `threads/${encodeURIComponent(threadId)}/events?after=${after}&wait=${wait_s}`;
    return this.request({ method: 'GET', path, signal });
  }

  /** Open the page's one socket. */
  openSocket(): Socket {
    const { wsUrl, token, appendToken, WebSocket } = this._settings;
    const query = appendToken && token !== '' ? `?token=${encodeURIComponent(token)}` : '';
    return new WebSocket(URLExt.join(wsUrl, BASE, 'ws') + query);
  }

  private readonly _settings: ServerConnection.ISettings;
}

/**
 * Read an answer of this server.
 *
 * @throws ApiError for one that refuses, and for one of somebody else: a login, a proxy.
 */
export async function readResponse(answer: Response): Promise<unknown> {
  if (answer.type === 'opaqueredirect' || (answer.status >= 300 && answer.status < 400)) {
    throw new ApiError(401, 'login_ended', LOGIN_ENDED);
  }
  const text = await answer.text();
  let value: unknown = null;
  let isOurs = true;
  try {
    value = text === '' ? null : JSON.parse(text);
  } catch {
    isOurs = false; // a page: of a login, of a proxy, or of a server without this extension
  }
  if (answer.ok && isOurs) {
    return value;
  }
  if (!answer.ok && typeof value === 'object' && value !== null && 'error' in value) {
    const said = asObject(value, 'An answer')['error'];
    const { code, message } = parseFailure(said);
    const facts = typeof said === 'object' && said !== null ? { ...said } : {};
    if (code === 'unauthenticated' || (code === 'forbidden' && /xsrf/i.test(message))) {
      throw new ApiError(answer.status, 'login_ended', LOGIN_ENDED);
    }
    throw new ApiError(answer.status, code, message, facts);
  }
  // A page instead of an answer, with nothing wrong about it, is where one logs in.
  if (answer.ok || answer.status === 401 || answer.status === 403) {
    throw new ApiError(answer.status, 'login_ended', LOGIN_ENDED);
  }
  throw new ApiError(answer.status, 'foreign', foreign(answer.status));
}

function foreign(status: number): string {
  if (status === 404) {
    return 'This server does not know the chat: jupyter-chat-stream is not enabled there.';
  }
  return `The server, or what stands before it, failed (status ${status}). Try again in a while.`;
}
