/**
 * The message that is being written in a thread: its text and its attachments.
 *
 * The draft in storage follows every change, so that a reload of the page loses no text and no
 * attachment that the server has.
 */
import { ApiError, newKey } from './api';
import { type Draft, type DraftStore, NO_DRAFT } from './drafts';
import { type DraftFile, type UploadOptions, UploadQueue } from './uploads';

export interface CompositionOptions extends UploadOptions {
  readonly drafts: DraftStore;
}

/** A message that is ready to be sent. */
export interface FinishedMessage {
  readonly key: string;
  readonly body: { readonly content: string; readonly attachments?: readonly string[] };
  readonly text: string;
  readonly files: readonly DraftFile[];
}

export class Composition {
  constructor(threadId: string, options: CompositionOptions) {
    this._threadId = threadId;
    this._options = options;
    this._draft = options.drafts.load(threadId);
    const onChange = (): void => this._attachmentsChanged();
    this.uploads = new UploadQueue({ ...options, onChange }, this._draft.attachments);
  }

  readonly uploads: UploadQueue;

  get text(): string {
    return this._draft.text;
  }

  get attachments(): readonly DraftFile[] {
    return this.uploads.items;
  }

  /** Whether there is nothing to send. */
  get isEmpty(): boolean {
    return this._draft.text.trim() === '' && this.uploads.items.length === 0;
  }

  setText(text: string): void {
    if (text !== this._draft.text) {
      this._keep({ ...this._draft, text, key: null });
    }
  }

  /** The message with a text and some attachments; null if it is empty or one is not attached. */
  finished(text: string, keys: ReadonlySet<string>): FinishedMessage | null {
    const files = this.uploads.items.filter(file => keys.has(file.key));
    const content = text.trim();
    if (files.some(file => file.state !== 'attached') || (content === '' && files.length === 0)) {
      return null;
    }
    // Another text or another choice of files is another message, so it gets another key.
    const isWhole = text === this._draft.text && files.length === this.uploads.items.length;
    const key = (isWhole ? this._draft.key : null) ?? newKey();
    this._keep({ ...this._draft, key: isWhole ? key : null });
    const ids = files.flatMap(file => file.id ?? []);
    const body = ids.length === 0 ? { content } : { content, attachments: ids };
    return { key, body, text, files };
  }

  /** The server has the message: drop its text and its attachments from the draft. */
  accepted({ text, files }: FinishedMessage): void {
    const sent = new Set(files.map(file => file.id));
    // A disposed queue has no attachments any more; the stored draft has.
    const attachments = this._draft.attachments.filter(({ id }) => id === null || !sent.has(id));
    const left = this._draft.text === text ? NO_DRAFT : this._draft;
    this._keep({ ...left, attachments });
    this.uploads.sent(files);
  }

  /** The server did not take the message: mark the attachments that it no longer has. */
  refused(error: unknown): void {
    if (error instanceof ApiError && error.code === 'attachment_not_found') {
      const id = error.facts['attachment_id'];
      this.uploads.lost(typeof id === 'string' ? id : '');
    }
  }

  dispose(): void {
    this._isDisposed = true;
    this.uploads.dispose();
  }

  private _attachmentsChanged(): void {
    if (this._isDisposed) {
      return; // the draft keeps what the disposed queue had
    }
    const attachments = this.uploads.kept;
    const isSame = JSON.stringify(attachments) === JSON.stringify(this._draft.attachments);
    if (isSame) {
      this._options.onChange();
    } else {
      this._keep({ ...this._draft, attachments, key: null });
    }
  }

  private _keep(draft: Draft): void {
    this._draft = draft;
    this._options.drafts.save(this._threadId, draft);
    this._options.onChange();
  }

  private readonly _threadId: string;
  private readonly _options: CompositionOptions;
  private _draft: Draft;
  private _isDisposed = false;
}
