/**
 * The REST commands of one page, and the errors they give.
 *
 * `ServerApi` goes through JupyterLab's ServerConnection, so that XSRF cookie, token and base
 * address are Jupyter's. Tests hand `Api` to what is above it.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { type Socket } from './connection';
import { type ApiRequest, type Api, ApiError } from './commands';
import { asObject, parseFailure } from './parse';

const BASE = 'api/chat-stream/';
const PATIENCE_MS = 30_000;

export class ServerApi implements Api {
  constructor(settings: ServerConnection.ISettings) {
    this._settings = settings;
  }

  async request({ method, path, body, headers }: ApiRequest): Promise<unknown> {
    const url = URLExt.join(this._settings.baseUrl, BASE, path);
    const patience = new AbortController();
    const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
    try {
      const init: RequestInit = { method, signal: patience.signal };
      if (body !== undefined) {
        init.body = JSON.stringify(body);
        init.headers = { 'Content-Type': 'application/json', ...headers };
      }
      const answer = await ServerConnection.makeRequest(url, init, this._settings);
      return await readAnswer(answer);
    } catch (error) {
      if (error instanceof ApiError) {
        throw error;
      }
      throw new ApiError(0, 'unreachable', 'The server did not answer.');
    } finally {
      clearTimeout(timer);
    }
  }

  /** Open the page's one socket. */
  openSocket(): Socket {
    const { wsUrl, token, appendToken, WebSocket } = this._settings;
    const query = appendToken && token !== '' ? `?token=${encodeURIComponent(token)}` : '';
    return new WebSocket(URLExt.join(wsUrl, BASE, 'ws') + query);
  }

  private readonly _settings: ServerConnection.ISettings;
}

async function readAnswer(answer: Response): Promise<unknown> {
  const text = await answer.text();
  let value: unknown = null;
  try {
    value = text === '' ? null : JSON.parse(text);
  } catch {
    // Not ours: a proxy's page, or a server without this extension.
  }
  if (answer.ok) {
    return value;
  }
  if (typeof value === 'object' && value !== null && 'error' in value) {
    const said = asObject(value, 'An answer')['error'];
    const { code, message } = parseFailure(said);
    const facts = typeof said === 'object' && said !== null ? { ...said } : {};
    throw new ApiError(answer.status, code, message, facts);
  }
  throw new ApiError(answer.status, 'foreign', `The server answered ${answer.status}.`);
}
