/**
 * The message that a person is writing in a thread: text, attachments and context.
 *
 * Every change is stored as a draft, so that a reload of the page loses neither the text nor an uploaded
 * attachment.
 */
import { type Mention, shorten, withMention, withText } from '../composer/context-items';
import { type Draft, type DraftContext, type DraftStore } from '../composer/drafts';
import { HistoryWalk } from '../composer/history';
import { type DraftFile, type UploadOptions, UploadQueue } from '../composer/uploads';
import { ApiError, newKey } from '../connection/api';
import { type ThreadState } from './thread-state';

interface CompositionOptions extends UploadOptions {
  readonly drafts: DraftStore;
}

/** The text, files and context of a message at the moment when the person sent it. */
export interface MessageContents {
  readonly text: string;
  readonly fileKeys: ReadonlySet<string>;
  readonly context: readonly DraftContext[];
  /** The live context at that moment. */
  readonly live: readonly Mention[];
}

/** A message that is ready to be sent. */
export interface FinishedMessage {
  readonly key: string;
  readonly body: {
    readonly content: string;
    readonly attachments?: readonly string[];
    readonly context?: readonly Mention[];
  };
  readonly contents: MessageContents;
  readonly files: readonly DraftFile[];
}

export class Composition {
  constructor(
    private readonly _threadId: string,
    private readonly _options: CompositionOptions
  ) {
    this._draft = _options.drafts.load(_threadId);
    this._history = new HistoryWalk(this._draft.aside);
    const onChange = (): void => this._attachmentsChanged();
    this.uploads = new UploadQueue({ ..._options, onChange }, this._draft.attachments);
  }

  readonly uploads: UploadQueue;

  get text(): string {
    return this._draft.text;
  }

  get attachments(): readonly DraftFile[] {
    return this.uploads.items;
  }

  get context(): readonly DraftContext[] {
    return this._draft.context;
  }

  /** Whether there is nothing to send; context alone is no message. */
  get isEmpty(): boolean {
    return this._draft.text.trim() === '' && this.uploads.items.length === 0;
  }

  /** The part of a thread's state that this class owns. */
  get state(): Pick<ThreadState, 'draft' | 'attachments' | 'context'> {
    return { draft: this.text, attachments: this.attachments, context: this.context };
  }

  get contents(): MessageContents {
    const fileKeys = new Set(this.attachments.map(file => file.key));
    return { text: this.text, fileKeys, context: this.context, live: [] };
  }

  setText(text: string): void {
    const { aside } = this._history;
    if (text !== this._draft.text || aside !== this._draft.aside) {
      this._keep({ ...this._draft, text, key: null, aside });
    }
  }

  /** The sent text before or after the current one; the caller then sets it as the text. */
  recall(which: 'older' | 'newer', sent: readonly string[]): string | null {
    const { text } = this._draft;
    return which === 'older' ? this._history.older(text, sent) : this._history.newer(text);
  }

  /** Add a text to the context of the message. Returns its key; null if there are too many texts. */
  mention(mention: Mention): string | null {
    const key = newKey();
    const context = withMention(this._draft.context, mention, key);
    if (context === null) {
      return null;
    }
    this._keep({ ...this._draft, context, key: null });
    return key;
  }

  /** Replace the text of a mention, unless it was removed, sent or mentioned again. */
  updateMention(mention: string, text: string): void {
    if (this._draft.context.some(({ key }) => key === mention)) {
      const context = withText(this._draft.context, mention, text);
      this._keep({ ...this._draft, context, key: null });
    }
  }

  /** Remove a text from the context. */
  forget(key: string): void {
    const context = this._draft.context.filter(item => item.key !== key);
    this._keep({ ...this._draft, context, key: null });
  }

  /** Make the message from its contents; null if it would be empty or a file is not uploaded. */
  makeMessage(contents: MessageContents): FinishedMessage | null {
    const { text, fileKeys, context } = contents;
    const contextItems = [...contents.live, ...context].map(({ name, text: read }) => ({
      name: shorten(name),
      text: read
    }));
    const files = this.uploads.items.filter(file => fileKeys.has(file.key));
    const content = text.trim();
    if (files.some(file => file.state !== 'attached') || (content === '' && files.length === 0)) {
      return null;
    }
    // A message with another text or other files is a different message, so it gets a new key.
    const isWhole =
      text === this._draft.text &&
      files.length === this.uploads.items.length &&
      context === this._draft.context;
    const key = (isWhole ? this._draft.key : null) ?? newKey();
    this._keep({ ...this._draft, key: isWhole ? key : null });
    const ids = files.flatMap(file => file.id ?? []);
    const body = {
      content,
      ...(ids.length === 0 ? {} : { attachments: ids }),
      ...(contextItems.length === 0 ? {} : { context: contextItems })
    };
    return { key, body, contents, files };
  }

  /** Drop a message from the draft, because the server has it. Restore a draft that was set aside. */
  dropSent({ contents, files }: FinishedMessage): void {
    const sentIds = new Set(files.map(file => file.id));
    // Compared by key, because the text of a mention may have arrived during the sending.
    const sentKeys = new Set(contents.context.map(({ key }) => key));
    const isSent = this._draft.text === contents.text;
    const text = isSent ? this._history.restoreDraft() : this._draft.text;
    this._keep({
      text,
      key: null,
      // After the queue was disposed of, only the stored draft has the attachments.
      attachments: this._draft.attachments.filter(({ id }) => id === null || !sentIds.has(id)),
      context: this._draft.context.filter(({ key }) => !sentKeys.has(key)),
      aside: this._history.aside
    });
    this.uploads.removeSent(files);
  }

  /** Mark the attachments that the server no longer has, after it has refused the message. */
  markMissing(error: unknown): void {
    if (error instanceof ApiError && error.code === 'attachment_not_found') {
      const id = error.facts['attachment_id'];
      this.uploads.markLost(typeof id === 'string' ? id : '');
    }
  }

  dispose(): void {
    this._isDisposed = true;
    this.uploads.dispose();
  }

  private _attachmentsChanged(): void {
    if (this._isDisposed) {
      return; // the stored draft keeps the attachments of the disposed queue
    }
    const attachments = this.uploads.draftItems;
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

  private readonly _history: HistoryWalk;
  private _draft: Draft;
  private _isDisposed = false;
}
