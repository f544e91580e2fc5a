/**
 * Which notebooks other pages have open: asked in this browser, and among the server's sessions.
 *
 * The file of an open notebook is not changed behind its document, which may hold what a person has
 * typed and not saved (L17).
 */

/** The part of the browser's BroadcastChannel that this module uses. */
export interface PageChannel {
  postMessage(message: unknown): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
}

export interface OpenElsewhereOptions {
  /** Null in a browser without channels: then only the server is asked. */
  readonly channel: PageChannel | null;
  /** Whether this page has the notebook of a path open. */
  readonly isOpenHere: (path: string) => boolean;
  /** The paths of the notebooks that have a kernel. @throws if the server does not tell. */
  readonly running: () => Promise<readonly string[]>;
  /** A path without the name of its drive, such as RTC: of real-time collaboration. */
  readonly localPath: (path: string) => string;
  readonly later: (action: () => void, delay_ms: number) => unknown;
}

/** Pages answer at once; one that a browser has frozen answers never, and types nothing. */
const PATIENCE_MS = 400;

export class OpenElsewhere {
  constructor(private readonly _options: OpenElsewhereOptions) {
    _options.channel?.addEventListener('message', ({ data }) => this._heard(data));
  }

  /** Whether a notebook is open in another page, or may be: then its file is left alone. */
  async has(path: string): Promise<boolean> {
    const { channel, later, localPath, running } = this._options;
    const before = this._answers.get(path);
    channel?.postMessage({ ask: path });
    const [paths] = await Promise.all([
      running().catch(() => [path]),
      new Promise<void>(resolve => void later(resolve, PATIENCE_MS))
    ]);
    const isRunning = paths.map(localPath).includes(localPath(path));
    return isRunning || this._answers.get(path) !== before;
  }

  private _heard(data: unknown): void {
    const { ask, open } = (typeof data === 'object' && data !== null ? data : {}) as {
      readonly ask?: unknown;
      readonly open?: unknown;
    };
    if (typeof ask === 'string' && this._options.isOpenHere(ask)) {
      this._options.channel?.postMessage({ open: ask });
    } else if (typeof open === 'string') {
      this._answers.set(open, (this._answers.get(open) ?? 0) + 1);
    }
  }

  /** By path: how often a page has said that it is open. Two calls may ask at the same time. */
  private readonly _answers = new Map<string, number>();
}
