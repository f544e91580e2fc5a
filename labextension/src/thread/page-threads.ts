/**
 * The threads of a page: one client for each thread, shared by all its views.
 *
 * `Threads` counts the views of a client. It disposes of the client 5 s after the last view is gone and the
 * thread's answers have ended.
 */
import { AttachmentFiles } from '../composer/attachment-files';
import { ThreadClient } from './model';
import { ModelChoices } from '../models/model-choices';
import { type PageOptions } from './page-options';
import { parseMaxBytes } from '../protocol/parse';
import { type Preferences } from './preferences';
import { StandingConsents } from '../tools/standing-consents';

const LINGER_MS = 5_000;
/** A page with more threads than this follows only the threads that it shows. */
const MOST_FOLLOWED = 50;

/** All threads of the page. */
export class Threads {
  constructor(private readonly _options: PageOptions) {
    this.files = new AttachmentFiles(_options.api);
    this.models = new ModelChoices(_options);
    this.preferences = _options.preferences;
    this.consents = new StandingConsents(_options.api, _options.trans, _options.otherPages);
  }

  /** A person's settings for all chats, and the standing consents to tools. */
  readonly preferences: Preferences;
  readonly consents: StandingConsents;

  /** The bytes of the attachments of all threads. */
  readonly files: AttachmentFiles;

  /** The models that all threads can choose from. */
  readonly models: ModelChoices;

  /** The client of a thread. Each call needs one `release`. */
  acquire(threadId: string): ThreadClient {
    let entry = this._entries.get(threadId);
    if (entry === undefined) {
      entry = { client: new ThreadClient(threadId, this._options, this), uses: 0, cancel: null };
      this._entries.set(threadId, entry);
      const { client } = entry;
      client.subscribe(() => this._watchers.forEach(watcher => watcher(client)));
    }
    entry.cancel?.();
    entry.cancel = null;
    entry.uses += 1;
    return entry.client;
  }

  release(client: ThreadClient): void {
    const entry = this._entries.get(client.threadId);
    if (entry === undefined || entry.client !== client || --entry.uses > 0) {
      return;
    }
    this._disposeLater(entry);
  }

  /**
   * Dispose of a client without views later: while its chat answers, the tools of this page may be needed.
   */
  private _disposeLater(entry: ClientEntry): void {
    entry.cancel = this._options.clock.later(() => {
      const { client } = entry;
      if (client.isBusy && this._entries.size <= MOST_FOLLOWED) {
        this._disposeLater(entry);
      } else {
        this._entries.delete(client.threadId);
        client.dispose();
      }
    }, LINGER_MS);
  }

  /** Call `watcher` after each change of a thread of the page, until the returned function is called. */
  watch(watcher: (client: ThreadClient) => void): () => void {
    this._watchers.add(watcher);
    return () => this._watchers.delete(watcher);
  }

  /** The client of a thread, if this page has one. */
  find(threadId: string): ThreadClient | undefined {
    return this._entries.get(threadId)?.client;
  }

  /** The largest attachment that the server accepts, in bytes; null if not known. */
  readonly maxBytes = async (): Promise<number | null> => {
    this._maxBytes ??= this._options.api.request({ method: 'GET', path: 'status' }).then(
      parseMaxBytes,
      () => (this._maxBytes = null) // the next upload asks again
    );
    return this._maxBytes;
  };

  private readonly _entries = new Map<string, ClientEntry>();
  private readonly _watchers = new Set<(client: ThreadClient) => void>();
  private _maxBytes: Promise<number | null> | null = null;
}

interface ClientEntry {
  readonly client: ThreadClient;
  uses: number;
  cancel: (() => void) | null;
}
