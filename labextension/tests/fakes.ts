/** A socket, a clock and an API that tests drive by hand. */
import { type Draft, type DraftStore, NO_DRAFT } from '../src/composer/drafts';
import {
  type Api,
  ApiError,
  type ApiRequest,
  type Socket,
  type Upload
} from '../src/connection/api';
import { type Clock, Connection } from '../src/connection/connection';
import { type FolderEntry } from '../src/connection/folders';
import { type RecentModels } from '../src/models/recent-models';
import { languageOf } from '../src/text/language';
import {
  ContextChoices,
  type LiveItem,
  type LiveSource,
  StoredChoices
} from '../src/thread/live-context';
import { type PageOptions } from '../src/thread/page-options';
import { Threads } from '../src/thread/page-threads';
import { Preferences } from '../src/thread/preferences';
import { type OtherPages } from '../src/tools/standing-consents';
import { Ticker } from '../src/view/ticker';

/** The language of a page that has no translator. */
export const ENGLISH = languageOf(null);

// The page that is not there reads a file only in the older way.
Blob.prototype.arrayBuffer ??= function (this: Blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as ArrayBuffer);
    reader.onerror = () => reject(reader.error ?? new Error('unread'));
    reader.readAsArrayBuffer(this);
  });
};

export class FakeClock implements Clock {
  private _now = 0;
  private _timers: { at: number; action: () => void }[] = [];

  now(): number {
    return this._now;
  }

  later(action: () => void, delay_ms: number): () => void {
    const timer = { at: this._now + delay_ms, action };
    this._timers.push(timer);
    return () => {
      this._timers = this._timers.filter(other => other !== timer);
    };
  }

  get pending(): number {
    return this._timers.length;
  }

  /** Turn the clock; what falls due happens in its order. */
  turn(by_ms: number): void {
    const until = this._now + by_ms;
    for (;;) {
      const due = this._timers.filter(timer => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) {
        break;
      }
      this._timers = this._timers.filter(timer => timer !== due);
      this._now = due.at;
      due.action();
    }
    this._now = until;
  }
}

export class FakeSocket implements Socket {
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  readonly sent: Record<string, unknown>[] = [];
  isClosed = false;

  send(data: string): void {
    this.sent.push(JSON.parse(data) as Record<string, unknown>);
  }

  close(): void {
    this.isClosed = true;
  }

  open(): void {
    this.onopen?.(new Event('open'));
  }

  receive(frame: object | string): void {
    const data = typeof frame === 'string' ? frame : JSON.stringify(frame);
    this.onmessage?.(new MessageEvent('message', { data }));
  }

  drop(): void {
    this.onclose?.(new Event('close') as CloseEvent); // Node has no CloseEvent
  }
}

/** A poll that is under way until the test answers it. */
export interface FakePoll {
  readonly thread: string;
  readonly after: number;
  readonly wait_s: number;
  readonly signal: AbortSignal;
  readonly answer: (page: unknown) => void;
  readonly fail: (error: unknown) => void;
}

/** The network of a page: the sockets it opened, oldest first. */
export class FakeNetwork {
  readonly clock = new FakeClock();
  readonly sockets: FakeSocket[] = [];
  readonly polls: FakePoll[] = [];
  readonly connection = new Connection({
    clock: this.clock,
    random: () => 1,
    poll: (thread, after, wait_s, signal) =>
      new Promise((answer, fail) => {
        this.polls.push({ thread, after, wait_s, signal, answer, fail });
        signal.addEventListener('abort', () => fail(new Error('aborted')));
      }),
    openSocket: () => {
      const socket = new FakeSocket();
      this.sockets.push(socket);
      return socket;
    }
  });

  get socket(): FakeSocket {
    const newest = this.sockets.at(-1);
    if (newest === undefined) {
      throw new Error('No socket was opened.');
    }
    return newest;
  }
}

export interface Call extends ApiRequest {
  readonly answer: (value: unknown) => void;
  readonly fail: (error: unknown) => void;
}

/** An upload that is under way until the test answers it. */
export interface FakeUpload extends Upload {
  readonly answer: (value: unknown) => void;
  readonly fail: (error: unknown) => void;
}

export class FakeApi implements Api {
  readonly calls: Call[] = [];
  readonly uploads: FakeUpload[] = [];
  /** By path: the bytes that may be downloaded. */
  readonly bytes = new Map<string, Blob>();
  readonly downloads: string[] = [];

  upload(upload: Upload): Promise<unknown> {
    return new Promise((answer, fail) => {
      this.uploads.push({ ...upload, answer, fail });
      upload.signal.addEventListener('abort', () =>
        fail(new ApiError(0, 'unreachable', 'aborted'))
      );
    });
  }

  async download(path: string): Promise<Blob> {
    this.downloads.push(path);
    const blob = this.bytes.get(path);
    if (blob === undefined) {
      throw new ApiError(404, 'attachment_not_found', 'No such attachment.');
    }
    return blob;
  }

  request(request: ApiRequest): Promise<unknown> {
    return new Promise((answer, fail) => this.calls.push({ ...request, answer, fail }));
  }

  call(method: string, path: string): Call {
    const found = this.calls.filter(call => call.method === method && call.path === path).at(-1);
    if (found === undefined) {
      throw new Error(`${method} ${path} was not called.`);
    }
    return found;
  }
}

export class FakeRecentModels implements RecentModels {
  ids: readonly string[] = [];

  load(): readonly string[] {
    return this.ids;
  }

  add(id: string): void {
    this.ids = [id, ...this.ids.filter(other => other !== id)];
  }
}

export class FakeDrafts implements DraftStore {
  readonly kept = new Map<string, Draft>();

  load(threadId: string): Draft {
    return this.kept.get(threadId) ?? NO_DRAFT;
  }

  save(threadId: string, draft: Draft): void {
    this.kept.set(threadId, draft);
  }
}

/** The notebook of all chats of a page; null without one. */
export class FakeNotebook implements LiveSource {
  name: string | null = null;
  items: readonly LiveItem[] = [];
  private readonly _listeners = new Set<() => void>();

  notebookOf = (): string | null => this.name;
  read = (): readonly LiveItem[] => this.items;
  subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  };

  /** Tell the page that the notebook has changed. */
  settle(): void {
    this._listeners.forEach(listener => listener());
  }
}

/** The storage of a browser; `refuses` makes it throw, as one that is full or forbidden. */
export class FakeStorage {
  refuses = false;
  private readonly _values = new Map<string, string>();

  getItem(key: string): string | null {
    return this._values.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    if (this.refuses) {
      throw new Error('full');
    }
    this._values.set(key, value);
  }
}

/** The other pages of a browser, which tell each other of revoked consents. */
export class FakeOtherPages implements OtherPages {
  told = 0;
  onmessage: OtherPages['onmessage'] = null;

  postMessage(): void {
    this.told += 1;
  }
}

/** A page whose frames are drawn when the test says so. */
export class FakePage {
  readonly network = new FakeNetwork();
  readonly api = new FakeApi();
  readonly drafts = new FakeDrafts();
  readonly recentModels = new FakeRecentModels();
  /** By path: the entries of the folders. */
  readonly folders = new Map<string, readonly FolderEntry[]>();
  /** The commands of JupyterLab that were run. */
  readonly commands = new Set<string>();
  readonly preferences = new Preferences();
  readonly otherPages = new FakeOtherPages();
  readonly notebook = new FakeNotebook();
  readonly storage = new FakeStorage();
  readonly ticker = new Ticker(this.network.clock);
  private _frames: (() => void)[] = [];
  readonly threads = new Threads(this.options());

  options(): PageOptions {
    return {
      api: this.api,
      connection: this.network.connection,
      drafts: this.drafts,
      clock: this.network.clock,
      onFrame: action => void this._frames.push(action),
      readFile: path => Promise.resolve(new Blob([`the bytes of ${path}`])),
      listFolder: path => Promise.resolve(this.folders.get(path) ?? []),
      execute: command => this.commands.add(command).size > 0,
      trans: ENGLISH.trans,
      locale: ENGLISH.locale,
      recentModels: this.recentModels,
      preferences: this.preferences,
      otherPages: this.otherPages,
      liveContext: {
        source: this.notebook,
        choices: new ContextChoices(
          new StoredChoices(() => this.storage as unknown as Storage),
          this.preferences
        )
      }
    };
  }

  frame(): void {
    const actions = this._frames;
    this._frames = [];
    actions.forEach(action => action());
  }
}

/** Let promises that are ready go on. */
export async function flushPromises(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) {
    await Promise.resolve();
  }
}

/** The reads of files that are under way. */
const reads = new Set<Promise<ArrayBuffer>>();
const readBlob = Blob.prototype.arrayBuffer;
Blob.prototype.arrayBuffer = function () {
  const read = readBlob.call(this).finally(() => reads.delete(read));
  reads.add(read);
  return read;
};

/** Wait until the files that are being read are read, and what follows has happened. */
export async function flushReads(): Promise<void> {
  await flushPromises();
  while (reads.size > 0) {
    await Promise.allSettled(reads);
    await flushPromises();
  }
}

const AT = '2026-11-20T09:14:28.123Z';

/** The events of a short conversation: a thread, a question, its reply, and its answer in pieces. */
export function conversation(pieces: readonly string[] = ['Be', 'cause', ' of', ' it.']): object[] {
  const message = { thread_id: 't', kind: 'chat', usage: null, stop_reason: null, error: null };
  const common = { thread_id: 't', at: AT };
  const run = { ...common, run_id: 'r', message_id: 'a', attempt: 1 };
  const events: object[] = [
    { ...common, type: 'thread', thread: { id: 't', name: 'n', head: null, model: 'demo/tour' } },
    {
      ...common,
      type: 'message',
      message: {
        ...message,
        id: 'q',
        role: 'user',
        status: 'completed',
        parts: [{ kind: 'text', text: 'Why?' }],
        model: null,
        run_id: null,
        parent_id: null,
        created_at: AT
      }
    },
    {
      ...common,
      type: 'message',
      run_id: 'r',
      message_id: 'a',
      message: {
        ...message,
        id: 'a',
        role: 'assistant',
        status: 'pending',
        parts: [],
        model: 'demo/tour',
        run_id: 'r',
        parent_id: 'q',
        created_at: AT
      }
    },
    { ...run, type: 'status', phase: 'thinking' },
    ...pieces.map(text => ({ ...run, type: 'delta', part: 0, kind: 'text', text })),
    {
      ...run,
      type: 'complete',
      content: pieces.join(''),
      usage: { output_tokens: 4 },
      stop_reason: 'end_turn',
      model: 'demo/tour'
    },
    { ...run, type: 'finalized', status: 'completed' }
  ];
  return events.map((event, index) => ({ ...event, seq: index + 1 }));
}
