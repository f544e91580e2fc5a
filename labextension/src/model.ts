/**
 * The threads of a page: one `ThreadClient` for each, shared by all views of the thread.
 *
 * A view shows only what the log holds: a sent message appears when its event arrives. Listeners are
 * called for new events at most once per frame, and for the reader's own actions at once. `Threads`
 * counts the views of a client and ends the client 5 s after its last view.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Api, ApiError, newKey } from './api';
import { type Clock, type Connection } from './connection';
import { type Draft, type DraftStore, NO_DRAFT } from './drafts';
import { type Follower, type Link } from './follower';
import { parseModels } from './parse';
import { type ModelList } from './protocol';
import { ScheduleList } from './schedules';
import { type Transcript, EMPTY } from './transcript';

/** Why a thread cannot be followed, or no longer. */
export interface ThreadEnd {
  readonly why: 'missing' | 'deleted' | 'absent' | 'refused';
  readonly message: string;
}

/** This page's reply to a question that someone else answered first. */
export interface LostAnswer {
  readonly mine: unknown;
  readonly value: unknown;
  readonly by: string;
}

/** Everything that a view draws. Immutable: a change makes a new object. */
export interface ThreadState {
  readonly transcript: Transcript;
  readonly link: Link;
  readonly ended: ThreadEnd | null;
  readonly draft: string;
  readonly isSending: boolean;
  /** Ids of the runs that a command of this page is on its way to. */
  readonly acting: ReadonlySet<string>;
  /** By `request_id`: this page's replies that came too late. */
  readonly beaten: ReadonlyMap<string, LostAnswer>;
  /** Why the reader's last command failed; the draft is kept. */
  readonly problem: string | null;
  readonly models: ModelList | null;
}

export interface PageOptions {
  readonly api: Api;
  readonly connection: Connection;
  readonly drafts: DraftStore;
  readonly clock: Clock;
  /** Calls `action` once, before the next frame is drawn. */
  readonly onFrame: (action: () => void) => void;
  readonly trans: TranslationBundle;
}

const LINGER_MS = 5_000;

/** All threads of the page. */
export class Threads {
  constructor(options: PageOptions) {
    this._options = options;
  }

  /** The client of a thread. Each call needs one `release`. */
  acquire(threadId: string): ThreadClient {
    let entry = this._entries.get(threadId);
    if (entry === undefined) {
      entry = { client: new ThreadClient(threadId, this._options, this), uses: 0, cancel: null };
      this._entries.set(threadId, entry);
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
    entry.cancel = this._options.clock.later(() => {
      this._entries.delete(client.threadId);
      client.dispose();
    }, LINGER_MS);
  }

  /** The client of a thread, if this page has one. */
  find(threadId: string): ThreadClient | undefined {
    return this._entries.get(threadId)?.client;
  }

  /** Request the models; calls at the same time share one request. Null if it failed. */
  async loadModels(): Promise<ModelList | null> {
    this._models ??= this._options.api
      .request({ method: 'GET', path: 'models' })
      .then(parseModels)
      .finally(() => (this._models = null));
    try {
      return await this._models;
    } catch {
      // The picker then lists only the thread's model, and asks again when it is opened.
      return null;
    }
  }

  private readonly _options: PageOptions;
  private readonly _entries = new Map<string, ClientEntry>();
  private _models: Promise<ModelList> | null = null;
}

interface ClientEntry {
  readonly client: ThreadClient;
  uses: number;
  cancel: (() => void) | null;
}

/** One thread: its state for views, and the reader's commands. */
export class ThreadClient {
  constructor(
    readonly threadId: string,
    options: PageOptions,
    threads: Threads
  ) {
    this._options = options;
    this._threads = threads;
    this._draft = options.drafts.load(threadId);
    this._state = {
      transcript: EMPTY,
      link: 'connecting',
      ended: null,
      draft: this._draft.text,
      isSending: false,
      acting: new Set(),
      beaten: new Map(),
      problem: null,
      models: null
    };
    this.schedules = new ScheduleList(threadId, options.api, options.trans);
    this._follower = options.connection.follow(threadId, () => this._moved());
  }

  /** The repeating messages of this thread. */
  readonly schedules: ScheduleList;

  /** The state that listeners were last told of. */
  readonly getState = (): ThreadState => this._state;

  /** The newest state of the log, whether listeners were told of it or not. */
  get transcript(): Transcript {
    return this._follower.transcript;
  }

  /** Whether `transcript` is up to date, as far as the page can know. */
  get isLive(): boolean {
    return this._follower.link === 'live';
  }

  /** Whether this page has received any event of the thread. */
  get isKnown(): boolean {
    return this._follower.transcript.seq > 0;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  };

  setDraft(text: string): void {
    if (text !== this._draft.text) {
      this._keepDraft({ text, key: null });
    }
  }

  /**
   * Send the draft, now or at a time. Returns whether the server has accepted it. Only then the draft
   * is dropped; a draft that failed keeps its key.
   */
  async send(deliverAt: Date | null = null): Promise<boolean> {
    const content = this._draft.text.trim();
    if (content === '' || this._state.isSending) {
      return false;
    }
    const sent: Draft = { text: this._draft.text, key: this._draft.key ?? newKey() };
    this._keepDraft(sent);
    this._set({ isSending: true, problem: null });
    const deliver_at = deliverAt?.toISOString();
    try {
      await this._options.api.request({
        method: 'POST',
        path: `threads/${encodeURIComponent(this.threadId)}/messages`,
        body: deliver_at === undefined ? { content } : { content, deliver_at },
        // The same text for another time is another message, so it gets another key.
        headers: { 'Idempotency-Key': [sent.key, deliver_at].filter(Boolean).join('@') }
      });
      if (this._draft.text === sent.text) {
        this._keepDraft(NO_DRAFT);
      }
      return true;
    } catch (error) {
      const { trans } = this._options;
      this._set({ problem: trans.__('%1 Your text is kept.', explain(error, trans)) });
      return false;
    } finally {
      this._set({ isSending: false });
    }
  }

  /** Stop a run, retry its answer, or continue it. */
  async command(runId: string, name: 'cancel' | 'retry' | 'continue'): Promise<void> {
    await this._act(runId, `runs/${encodeURIComponent(runId)}/${name}`, {});
  }

  /** Answer a run's question. The first answer counts; the log tells whose that was. */
  async answer(runId: string, requestId: string, value: unknown): Promise<void> {
    const body = { request_id: requestId, value };
    const error = await this._act(runId, `runs/${encodeURIComponent(runId)}/input`, body);
    if (error instanceof ApiError && typeof error.facts['by'] === 'string') {
      const beaten: LostAnswer = {
        mine: value,
        value: error.facts['value'],
        by: error.facts['by']
      };
      this._set({ beaten: new Map([...this._state.beaten, [requestId, beaten]]) });
    }
  }

  /** Set the model of the thread's next answers. */
  async setModel(model: string): Promise<void> {
    this._set({ problem: null });
    try {
      const path = `threads/${encodeURIComponent(this.threadId)}`;
      await this._options.api.request({ method: 'PATCH', path, body: { model } });
    } catch (error) {
      this._set({ problem: explain(error, this._options.trans) });
    }
  }

  async loadModels(): Promise<void> {
    const models = await this._threads.loadModels();
    if (models !== null) {
      this._set({ models });
    }
  }

  dismissProblem(): void {
    this._set({ problem: null });
  }

  dispose(): void {
    this._isDisposed = true;
    this._listeners.clear();
    this._follower.dispose();
  }

  /** Send a command for a run, one at a time. Returns the error, which is also shown; null if none. */
  private async _act(runId: string, path: string, body: object): Promise<unknown> {
    if (this._state.acting.has(runId)) {
      return null;
    }
    this._set({ acting: new Set([...this._state.acting, runId]), problem: null });
    try {
      await this._options.api.request({ method: 'POST', path, body });
      return null;
    } catch (error) {
      // Someone else answered first: the log tells it, so no problem is shown.
      const isAnswered = error instanceof ApiError && error.code === 'request_not_open';
      this._set({ problem: isAnswered ? null : explain(error, this._options.trans) });
      return error;
    } finally {
      this._set({ acting: new Set([...this._state.acting].filter(id => id !== runId)) });
    }
  }

  private _keepDraft(draft: Draft): void {
    this._draft = draft;
    this._options.drafts.save(this.threadId, draft);
    this._set({ draft: draft.text });
  }

  /** The follower has a new state: tell the listeners with the next frame. */
  private _moved(): void {
    if (!this._isAnnouncing) {
      this._isAnnouncing = true;
      this._options.onFrame(() => {
        this._isAnnouncing = false;
        this._announce();
      });
    }
    if (this._options.connection.failures > 0 && !this.isKnown && !this._isProbing) {
      void this._probe();
    }
  }

  private _announce(): void {
    const { transcript, link, ended } = this._follower;
    this._set({
      transcript,
      link,
      ended:
        ended === null ? this._absent : explainEnd(ended.error, transcript, this._options.trans)
    });
  }

  /** No socket opens: find out whether this server has the API and the thread. */
  private async _probe(): Promise<void> {
    this._isProbing = true;
    try {
      const path = `threads/${encodeURIComponent(this.threadId)}`;
      await this._options.api.request({ method: 'GET', path });
      this._absent = null;
    } catch (error) {
      const isNotFound = error instanceof ApiError && error.status === 404;
      if (isNotFound && error.code === 'foreign') {
        this._absent = { why: 'absent', message: error.message };
      } else if (isNotFound) {
        this._absent = { why: 'missing', message: missingText(this._options.trans) };
      }
    }
    this._isProbing = false;
    this._announce();
  }

  private _set(change: Partial<ThreadState>): void {
    if (this._isDisposed) {
      return;
    }
    this._state = { ...this._state, ...change };
    for (const listener of [...this._listeners]) {
      listener();
    }
  }

  private readonly _options: PageOptions;
  private readonly _threads: Threads;
  private readonly _follower: Follower;
  private readonly _listeners = new Set<() => void>();
  private _draft: Draft;
  private _state: ThreadState;
  private _absent: ThreadEnd | null = null;
  private _isAnnouncing = false;
  private _isProbing = false;
  private _isDisposed = false;
}

function explain(error: unknown, trans: TranslationBundle): string {
  return error instanceof ApiError ? error.message : trans.__('Something went wrong on this page.');
}

function missingText(trans: TranslationBundle): string {
  return trans.__('This chat is not on this server, or it belongs to someone else.');
}

function explainEnd(
  error: { readonly code: string; readonly message: string } | null,
  transcript: Transcript,
  trans: TranslationBundle
): ThreadEnd {
  if (error === null || transcript.thread?.deleted === true) {
    return { why: 'deleted', message: trans.__('This chat was deleted.') };
  }
  return error.code.endsWith('not_found')
    ? { why: 'missing', message: missingText(trans) }
    : { why: 'refused', message: error.message };
}
