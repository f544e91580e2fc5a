/**
 * A thread of a page: one `ThreadClient`, shared by all views of the thread (`page-threads.ts`).
 *
 * A view shows only the log: a sent message appears when its event arrives. Listeners are called at most
 * once per frame for new events, and at once for the person's own actions.
 */
import { MAX_CONTEXT_ITEMS, type Mention } from '../composer/context-items';
import { sentTexts } from '../composer/history';
import { MAX_ATTACHMENTS, type NamedBlob, type UploadQueue } from '../composer/uploads';
import { ApiError } from '../connection/api';
import { type Follower } from '../connection/follower';
import { type ThreadEnd, explain, explainEnd, probedEnd } from '../connection/thread-ends';
import { isAnswering } from '../fold/branch';
import { type LostAnswer } from '../fold/questions';
import { type Transcript } from '../fold/transcript';
import { type ModelChoices } from '../models/model-choices';
import { NO_PARAMS } from '../models/offer';
import { type ThreadFields, ThreadSettings } from '../models/thread-settings';
import { Store } from '../state/store';
import { type StandingConsents } from '../tools/standing-consents';
import { ThreadToolList } from '../tools/thread-tools';
import { Branching } from './branching';
import { Composition } from './composition';
import { type PageOptions } from './page-options';
import { type Threads } from './page-threads';
import { type Preferences } from './preferences';
import { ReadMark } from './read-mark';
import { ScheduleList } from './schedules';
import { Sending } from './sending';
import { NOT_FOLLOWED, type ThreadState } from './thread-state';
import { ThreadUsageList } from './usage';

export { type PageOptions, type ThreadState };

/** One thread: its state for views, and the reader's commands. */
export class ThreadClient extends Store<ThreadState> {
  constructor(
    readonly threadId: string,
    private readonly _options: PageOptions,
    threads: Threads
  ) {
    super(NOT_FOLLOWED);
    this.models = threads.models;
    this.preferences = threads.preferences;
    this.page = _options;
    this._composition = new Composition(threadId, {
      ..._options,
      files: threads.files,
      maxBytes: threads.maxBytes,
      onChange: () => this._set(this._composition.state)
    });
    this._sending = new Sending({
      ..._options,
      threadId,
      composition: this._composition,
      isClosed: () => this._isDisposed,
      onChange: isSending => this._set({ isSending }),
      onProblem: problem => this._set({ problem })
    });
    this._set(this._composition.state);
    this.schedules = new ScheduleList(threadId, _options.api, _options.trans);
    this.usage = new ThreadUsageList(threadId, _options.api);
    this.readMark = new ReadMark(threadId, _options.api);
    this.settings = new ThreadSettings({
      readLog: () => this._follower.thread?.params ?? NO_PARAMS,
      send: fields => this.change(fields),
      onChange: () => this._set({ params: this.settings.params })
    });
    this._follower = _options.connection.follow(threadId, () => this._announceSoon());
    _options.executor?.offerIn(this._follower);
    this.branching = this._newBranching();
    this.tools = this._newTools(threads.consents);
  }

  /** Edits of questions, and the choice of the shown branch. */
  readonly branching: Branching;

  /** The models of the page. */
  readonly models: ModelChoices;

  /** A person's settings for all chats, and the parts of the page that the composer uses. */
  readonly preferences: Preferences;
  readonly page: Pick<PageOptions, 'listFolder' | 'execute' | 'liveContext'>;

  /** The model, the parameters and the tools of the next answers. */
  readonly settings: ThreadSettings;
  readonly tools: ThreadToolList;

  /** The repeating messages of this thread. */
  readonly schedules: ScheduleList;

  /** Up to where the person has read the thread, for all views. */
  readonly readMark: ReadMark;

  /** The tokens and costs of this thread. */
  readonly usage: ThreadUsageList;

  /** The newest state of the log, even if listeners were not called for it yet. */
  get transcript(): Transcript {
    return this._follower.transcript;
  }

  /** Whether an answer of the thread is open. The answer to a scheduled message does not count. */
  get isBusy(): boolean {
    return this._follower.end === null && isAnswering(this.transcript);
  }

  /** Whether `transcript` is up to date, as far as the page knows. */
  get isLive(): boolean {
    return this._follower.link === 'live';
  }

  /** Whether this page has received any event of the thread. */
  get isKnown(): boolean {
    return this._follower.transcript.seq > 0;
  }

  setDraft(text: string): void {
    this._composition.setText(text);
  }

  /** The sent text before or after the text in the field; null if there is none. */
  recall(which: 'older' | 'newer'): string | null {
    return this._composition.recall(which, sentTexts(this.transcript));
  }

  /** Add a text to the context of the next message. Returns its key; null if there are too many. */
  mention(mention: Mention): string | null {
    const key = this._composition.mention(mention);
    if (key === null) {
      const { trans } = this._options;
      this.tell(trans.__('A message can mention at most %1 things.', MAX_CONTEXT_ITEMS));
    }
    return key;
  }

  /** Replace the text of a mention, unless it was removed, sent or mentioned again. */
  updateMention(key: string, text: string): void {
    this._composition.updateMention(key, text);
  }

  /** Remove a text from the context of the next message. */
  forget(key: string): void {
    this._composition.forget(key);
  }

  /** The attachments of the next message. */
  get uploads(): UploadQueue {
    return this._composition.uploads;
  }

  /** Attach files to the next message, and begin to upload them. */
  attach(files: readonly NamedBlob[]): void {
    if (this.uploads.add(files) > 0) {
      const { trans } = this._options;
      this.tell(trans.__('A message can have at most %1 attachments.', MAX_ATTACHMENTS));
    }
  }

  /** Attach files of the contents API, by their paths. */
  attachPaths(paths: readonly string[]): void {
    const { readFile } = this._options;
    this.attach(
      paths.map(path => ({
        name: path.split('/').at(-1) ?? path,
        blob: (maxBytes: number | null) => readFile(path, maxBytes)
      }))
    );
  }

  /**
   * Send the draft when its attachments are uploaded, for now or for `deliverAt`. `live` is the current live
   * context. Returns whether the server has accepted the message.
   */
  send(deliverAt: Date | null = null, live: readonly Mention[] = []): Promise<boolean> {
    return this._sending.send(deliverAt, live);
  }

  /** Stop a run, retry its answer (with the `model` in the body, if there is one), or continue it. */
  async command(
    runId: string,
    name: 'cancel' | 'withdraw' | 'retry' | 'continue',
    body: { readonly model?: string } = {}
  ): Promise<void> {
    await this._act(runId, `runs/${encodeURIComponent(runId)}/${name}`, body);
  }

  /** Answer a run's question. The first answer counts; the log tells who gave it. */
  async answer(runId: string, requestId: string, value: unknown): Promise<void> {
    const body = { request_id: requestId, value };
    const error = await this._act(runId, `runs/${encodeURIComponent(runId)}/input`, body);
    if (error instanceof ApiError && typeof error.facts['by'] === 'string') {
      const lateAnswer: LostAnswer = {
        mine: value,
        value: error.facts['value'],
        by: error.facts['by']
      };
      this._set({ lateAnswers: new Map([...this._state.lateAnswers, [requestId, lateAnswer]]) });
    }
  }

  /**
   * Set the head, the title, or the model and parameters of the next answers. Returns whether this worked.
   */
  async change(fields: ThreadFields): Promise<boolean> {
    this._set({ problem: null });
    try {
      const path = `threads/${encodeURIComponent(this.threadId)}`;
      await this._options.api.request({ method: 'PATCH', path, body: fields });
      return true;
    } catch (error) {
      this._set({ problem: explain(error, this._options.trans) });
      return false;
    }
  }

  /** Show a problem beside the composer; null removes it. */
  tell(problem: string | null): void {
    this._set({ problem });
  }

  dispose(): void {
    this._isDisposed = true;
    this._listeners.clear();
    this._composition.dispose();
    this._follower.dispose();
    this._options.executor?.forget(this.threadId);
  }

  /** Send a command for a run, one at a time. Show and return the error; null after a success. */
  private async _act(runId: string, path: string, body: object): Promise<unknown> {
    if (this._state.acting.has(runId)) {
      return null;
    }
    this._set({ acting: new Set([...this._state.acting, runId]), problem: null });
    try {
      await this._options.api.request({ method: 'POST', path, body });
      return null;
    } catch (error) {
      // Somebody else answered first. The log shows that answer, so no problem is shown.
      const isAnswered = error instanceof ApiError && error.code === 'request_not_open';
      this._set({ problem: isAnswered ? null : explain(error, this._options.trans) });
      return error;
    } finally {
      this._set({ acting: new Set([...this._state.acting].filter(id => id !== runId)) });
    }
  }

  /** Call the listeners with the next frame, because the follower has a new state. */
  private _announceSoon(): void {
    this._options.executor?.update(this.transcript);
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
    const { transcript, preview, link, end } = this._follower;
    this.settings.update();
    this.tools.update();
    this._set({
      params: this.settings.params,
      transcript,
      preview,
      link,
      end: end === null ? this._absent : explainEnd(end.error, transcript, this._options.trans)
    });
  }

  /** Find out whether this server has the API and the thread, because no socket opens. */
  private async _probe(): Promise<void> {
    this._isProbing = true;
    this._absent = await probedEnd(this.threadId, this._options, this._absent);
    this._isProbing = false;
    this._announce();
  }

  private _newBranching(): Branching {
    const { trans } = this._options;
    return new Branching(this.threadId, {
      ...this._options,
      transcript: () => this.transcript,
      setHead: head => this.change({ head }),
      stop: runId => this.command(runId, 'cancel'),
      onResult: error => this._set({ problem: error === null ? null : explain(error, trans) })
    });
  }

  private _newTools(consents: StandingConsents): ThreadToolList {
    return new ThreadToolList({
      ...this._options,
      consents,
      threadId: this.threadId,
      readLog: () => this._follower.thread?.tools,
      send: fields => this.change(fields)
    });
  }

  protected override _set(change: Partial<ThreadState>): void {
    if (!this._isDisposed) {
      super._set(change);
    }
  }

  private readonly _follower: Follower;
  private readonly _composition: Composition;
  private readonly _sending: Sending;
  private _absent: ThreadEnd | null = null;
  private _isAnnouncing = false;
  private _isProbing = false;
  private _isDisposed = false;
}
