/** What a page may ask of the server, as an interface, and how it fails. */
import { type TranslationBundle } from '@jupyterlab/translation';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `api/chat-stream/`; ids in it are already encoded. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends the request when nobody waits for it any more. */
  readonly signal?: AbortSignal;
}

export interface Api {
  /** @throws ApiError where the answer is not 2xx or none came. */
  request(request: ApiRequest): Promise<unknown>;
}

/** A request failed; `status` 0 means that no answer came, so it may have been carried out. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** What else the error says of itself. */
    readonly facts: Readonly<Record<string, unknown>> = {}
  ) {
    super(message);
  }
}

/** What the reader is told, and does, once the server no longer accepts their login. */
export function signedOutText(trans: TranslationBundle): string {
  return trans.__('You are signed out. Reload this page to sign in again.');
}

/** A random id. `crypto.randomUUID` exists in secure contexts only, and Jupyter is often not one. */
export function newKey(source: Crypto = crypto): string {
  if (typeof source.randomUUID === 'function') {
    return source.randomUUID();
  }
  const bytes = source.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}
