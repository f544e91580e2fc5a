/** The interface of the server's REST API, and the error of a failed request. */
import { type TranslationBundle } from '@jupyterlab/translation';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** The path below `api/chat-stream/`; ids in it are already encoded. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Aborts the request when nobody needs the response any more. */
  readonly signal?: AbortSignal;
  /** Set when the page is being closed, so that the browser sends the request even after that. */
  readonly isLast?: boolean;
}

/** Bytes to be sent to the server. */
export interface Upload {
  /** The path below `api/chat-stream/`. */
  readonly path: string;
  readonly body: Blob;
  readonly headers: Readonly<Record<string, string>>;
  /** Called with the number of bytes that were sent. */
  readonly onProgress: (sentBytes: number) => void;
  readonly signal: AbortSignal;
}

/** The part of WebSocket that the connection uses. */
export interface Socket {
  onopen: ((event: Event) => unknown) | null;
  onmessage: ((event: MessageEvent) => unknown) | null;
  onclose: ((event: CloseEvent) => unknown) | null;
  send(data: string): void;
  close(): void;
}

export interface Api {
  /** @throws ApiError if the response is not 2xx, or if no response came. */
  request(request: ApiRequest): Promise<unknown>;
  /** Send bytes. @throws ApiError as `request`. */
  upload(upload: Upload): Promise<unknown>;
  /** Request bytes. @throws ApiError as `request`. */
  download(path: string): Promise<Blob>;
}

/** A request failed. With `status` 0 no response came, but the server may have executed the request. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** All fields of the server's error object. */
    readonly facts: Readonly<Record<string, unknown>> = {}
  ) {
    super(message);
  }
}

/** The text for a reader whose login the server no longer accepts. */
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
