/**
 * A person's actions on the branches of a thread: choosing a branch, and editing a question into a new one.
 *
 * The choice is the thread's `head`, so all pages and kernels that follow the thread see it. An edited
 * question becomes a new message beside the old message, with the same attachments; the old branch stays.
 * The browser keeps an edit like a draft, also over a reload, until the server has the message.
 */
import { type Draft, type DraftStore, NO_DRAFT } from '../composer/drafts';
import { type Api, type ApiRequest, newKey } from '../connection/api';
import { newestLeaf, openRunsBelow } from '../fold/branch';
import { contentOf } from '../fold/endings';
import { type Transcript } from '../fold/transcript';
import { type Message } from '../protocol/records';
import { Store } from '../state/store';
import { type QuestionListener, messageIdOf } from './sending';

/** A question that is being edited. Immutable. */
export interface QuestionEdit {
  readonly text: string;
  readonly isSending: boolean;
}

interface BranchingOptions {
  readonly api: Api;
  readonly drafts: DraftStore;
  readonly questions?: QuestionListener;
  readonly transcript: () => Transcript;
  /** Sets the thread's head. Returns whether it is done. */
  readonly setHead: (id: string) => Promise<boolean>;
  readonly stop: (runId: string) => Promise<void>;
  /** Called with null when a command begins, and with the error when it fails. */
  readonly onResult: (error: unknown) => void;
}

/** The most characters that the server accepts for the name of a text. */
const MOST_NAME_CHARS = 200;

/** The edits by message id; null for a question that is not edited. */
export class Branching extends Store<ReadonlyMap<string, QuestionEdit | null>> {
  constructor(
    private readonly _threadId: string,
    private readonly _options: BranchingOptions
  ) {
    super(new Map());
  }

  /** The edit of a question; null if it is not edited. */
  edit(messageId: string): QuestionEdit | null {
    let edit = this._state.get(messageId);
    if (edit === undefined) {
      const { text } = this._options.drafts.load(this._keyOf(messageId));
      edit = text === '' ? null : { text, isSending: false };
      this._state = new Map([...this._state, [messageId, edit]]);
    }
    return edit;
  }

  /** Begin to edit a question, starting from its current text. */
  begin(message: Message): void {
    if (this.edit(message.id) === null) {
      this._change(message.id, { text: contentOf(message), isSending: false });
    }
  }

  setText(messageId: string, text: string): void {
    const edit = this.edit(messageId);
    if (edit !== null && !edit.isSending && edit.text !== text) {
      this._change(messageId, { text, isSending: false });
      this._save(messageId, { ...NO_DRAFT, text });
    }
  }

  /** Discard the edit of a question. */
  discard(messageId: string): void {
    this._change(messageId, null);
    this._save(messageId, NO_DRAFT);
  }

  /**
   * Send an edited question as a new branch, and stop the answers to the old question, because they would
   * come first in the thread's queue. Returns whether the server has the message; if not, the edit stays.
   */
  async send(message: Message): Promise<boolean> {
    const edit = this.edit(message.id);
    if (edit === null || edit.isSending || !maySend(message, edit.text)) {
      return false;
    }
    const key = this._options.drafts.load(this._keyOf(message.id)).key ?? newKey();
    this._save(message.id, { ...NO_DRAFT, text: edit.text, key });
    const answer = await this._request(message.id, edit, {
      method: 'POST',
      path: `threads/${encodeURIComponent(this._threadId)}/messages`,
      body: editedBody(message, edit.text),
      headers: { 'Idempotency-Key': key }
    });
    if (answer === null) {
      return false;
    }
    this._options.questions?.onEdit(message.id, messageIdOf(answer.value));
    await this._stopBelow(message);
    return true;
  }

  /**
   * Change the text of a queued message. Returns whether the text was changed. If the message's run has
   * begun, the edit stays, and can be sent as a new branch.
   */
  async rewrite(message: Message, runId: string): Promise<boolean> {
    const edit = this.edit(message.id);
    if (edit === null || edit.isSending || !maySend(message, edit.text)) {
      return false;
    }
    const path = `runs/${encodeURIComponent(runId)}/rewrite`;
    const body = { content: edit.text.trim() };
    return (await this._request(message.id, edit, { method: 'POST', path, body })) !== null;
  }

  /** Send an edit, and drop it after a success. Returns the server's response; null after a failure. */
  private async _request(
    id: string,
    edit: QuestionEdit,
    request: ApiRequest
  ): Promise<{ readonly value: unknown } | null> {
    const { api, onResult } = this._options;
    this._change(id, { ...edit, isSending: true });
    onResult(null);
    let value: unknown;
    try {
      value = await api.request(request);
    } catch (error) {
      this._change(id, edit);
      onResult(error);
      return null;
    }
    this.discard(id);
    return { value };
  }

  /** Show the newest branch that contains a message. Returns whether the server has accepted it. */
  async choose(message: Message): Promise<boolean> {
    const transcript = this._options.transcript();
    const leaf = newestLeaf(transcript, message);
    return leaf.id === transcript.thread?.head || (await this._options.setHead(leaf.id));
  }

  /** Stop the answers below a message: the last first, because the end of an answer starts the next one. */
  private async _stopBelow(message: Message): Promise<void> {
    for (const runId of [...openRunsBelow(this._options.transcript(), message)].reverse()) {
      await this._options.stop(runId);
    }
  }

  private _keyOf(messageId: string): string {
    return `${this._threadId}/${messageId}`;
  }

  private _save(messageId: string, draft: Draft): void {
    this._options.drafts.save(this._keyOf(messageId), draft);
  }

  private _change(messageId: string, edit: QuestionEdit | null): void {
    this._replace(new Map([...this._state, [messageId, edit]]));
  }
}

/** Whether a question with this text can be sent. Only a question with uploaded files may have no text. */
export function maySend(message: Message, text: string): boolean {
  const hasFile = message.parts.some(
    part => part.kind === 'attachment' && part.attachment_id !== undefined
  );
  return text.trim() !== '' || hasFile;
}

/** The request for a new message beside an old one, with a new text and the same attachments and parent. */
export function editedBody(message: Message, text: string): object {
  const parts = message.parts.filter(part => part.kind === 'attachment');
  const attachments = parts.flatMap(part => part.attachment_id ?? []);
  const context = parts
    .filter(part => part.attachment_id === undefined || part.text !== '')
    .map(({ name, text: read, attachment_id }) => ({
      name: [...name].slice(0, MOST_NAME_CHARS).join(''),
      text: read,
      ...(attachment_id === undefined ? {} : { attachment_id })
    }));
  return {
    content: text.trim(),
    parent_id: message.parent_id,
    ...(attachments.length === 0 ? {} : { attachments }),
    ...(context.length === 0 ? {} : { context })
  };
}
