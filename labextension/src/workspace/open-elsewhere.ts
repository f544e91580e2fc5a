/**
 * Finds out whether another page has a notebook open: asks the pages of this browser, and the server's
 * sessions.
 *
 * Each page holds a browser lock for each of its open notebooks, because a suspended page answers no
 * question. A browser has no locks if Jupyter's address is not secure.
 *
 * The file of an open notebook must not be changed, because its document may contain unsaved text (L17).
 */

import { fieldsOf } from '../protocol/fields';

/** The part of the browser's BroadcastChannel that this module uses. */
export interface PageChannel {
  postMessage(message: unknown): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
}

/** The part of the browser's LockManager that this module uses. */
export interface PageLocks {
  request(
    name: string,
    options: { readonly mode: 'shared' },
    whileHeld: () => Promise<void>
  ): Promise<unknown>;
  query(): Promise<{ readonly held?: readonly { readonly name?: string }[] }>;
}

export interface OpenElsewhereOptions {
  /** Null in a browser without channels; then only the server's sessions are checked. */
  readonly channel: PageChannel | null;
  /** Null in a browser without locks; then the notebooks of suspended pages stay unknown. */
  readonly locks: PageLocks | null;
  /** The base URL of the server. Pages of several servers may share one channel. */
  readonly server: string;
  /** Whether this page has the notebook of a path open. */
  readonly isOpenHere: (path: string) => boolean;
  /** The paths of the notebooks that have a kernel. @throws if the request fails. */
  readonly running: () => Promise<readonly string[]>;
  /** A path without the name of its drive, such as RTC: of real-time collaboration. */
  readonly localPath: (path: string) => string;
  readonly schedule: (action: () => void, delay_ms: number) => unknown;
}

/** How long to wait for the answers of other pages. A suspended page never answers, but it keeps its locks. */
const PATIENCE_MS = 400;

export class OpenElsewhere {
  constructor(private readonly _options: OpenElsewhereOptions) {
    _options.channel?.addEventListener('message', ({ data }) => this._receive(data));
  }

  /** Hold the locks of the notebooks that this page has open now, and release all others. */
  hold(paths: readonly string[]): void {
    const names = new Set(paths.map(path => this._lockOf(path)));
    for (const [name, release] of this._releases) {
      if (!names.delete(name)) {
        this._releases.delete(name);
        release();
      }
    }
    for (const name of names) {
      const untilReleased = new Promise<void>(resolve => this._releases.set(name, resolve));
      const release = this._releases.get(name);
      // If the browser refuses the lock, other pages still get an answer through the channel, and the
      // next call of this function requests the lock again.
      this._options.locks
        ?.request(name, { mode: 'shared' }, () => untilReleased)
        .catch(() => this._releases.get(name) === release && this._releases.delete(name));
    }
  }

  /** Whether a notebook is open, or may be open, in another page. If so, its file must not be changed. */
  async has(path: string): Promise<boolean> {
    const { channel, schedule, localPath, locks, running, server } = this._options;
    const before = this._answers.get(path);
    channel?.postMessage({ server, ask: path });
    const [paths] = await Promise.all([
      running().catch(() => [path]),
      new Promise<void>(resolve => void schedule(resolve, PATIENCE_MS))
    ]);
    const isRunning = paths.map(localPath).includes(localPath(path));
    const { held: heldLocks = [] } = (await locks?.query().catch(() => null)) ?? {};
    const isHeld = heldLocks.some(({ name }) => name === this._lockOf(path));
    return isRunning || isHeld || this._answers.get(path) !== before;
  }

  private _receive(data: unknown): void {
    const { channel, isOpenHere, server } = this._options;
    const { ask, open, server: from } = fieldsOf(data);
    if (from !== server) {
      return;
    }
    if (typeof ask === 'string' && isOpenHere(ask)) {
      channel?.postMessage({ server, open: ask });
    } else if (typeof open === 'string') {
      this._answers.set(open, (this._answers.get(open) ?? 0) + 1);
    }
  }

  private _lockOf(path: string): string {
    const { localPath, server } = this._options;
    return `jupyter-chat-stream:${server}:${localPath(path)}`;
  }

  /** By the name of a held lock: the function that releases it. */
  private readonly _releases = new Map<string, () => void>();
  /** By path: how many answers said that it is open. Two calls may ask at the same time. */
  private readonly _answers = new Map<string, number>();
}
