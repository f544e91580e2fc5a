/** Sends the draft of a thread when its attachments are uploaded. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Mention } from '../composer/context-items';
import { isUnfinished } from '../composer/uploads';
import { type Api, ApiError } from '../connection/api';
import { explain } from '../connection/thread-ends';
import { digestOf } from '../text/digest';
import { type MessageContents, type Composition, type FinishedMessage } from './composition';

/** Called for the questions that this page sends. */
export interface QuestionListener {
  /** Called when the sending of a question begins. Returns a function that gets the message's id. */
  readonly sending: () => (messageId: string) => void;
  /** Called when a question was edited into a new message. */
  readonly onEdit: (from: string, to: string) => void;
}

interface SendingOptions {
  readonly api: Api;
  readonly trans: TranslationBundle;
  readonly threadId: string;
  readonly composition: Composition;
  /** Whether the chat was closed; if so, the stored draft keeps the message. */
  readonly isClosed: () => boolean;
  readonly questions?: QuestionListener;
  readonly onChange: (isSending: boolean) => void;
  /** Called with the reason if the message was not sent, and with null when a new try begins. */
  readonly onProblem: (problem: string | null) => void;
}

export class Sending {
  constructor(private readonly _options: SendingOptions) {}

  /**
   * Send the draft with the current live context, for now or for `deliverAt`. Files and context that are
   * added during the sending belong to the next message. Returns whether the server has accepted the message;
   * only then the draft is dropped. A draft that was not accepted keeps its key.
   */
  async send(deliverAt: Date | null, live: readonly Mention[]): Promise<boolean> {
    const { composition, onChange, onProblem } = this._options;
    if (composition.isEmpty || this._isSending) {
      return false;
    }
    this._isSending = true;
    const onAccepted = this._options.questions?.sending();
    onProblem(null);
    onChange(true);
    try {
      const messageId = await this._sendContents(
        { ...composition.contents, live },
        deliverAt?.toISOString()
      );
      if (messageId !== null) {
        onAccepted?.(messageId);
      }
      return messageId !== null;
    } catch (error) {
      composition.markMissing(error);
      onProblem(this._explain(error));
      return false;
    } finally {
      this._isSending = false;
      onChange(false);
    }
  }

  /** Send the text, files and context. Returns the message's id; null if it was not sent. */
  private async _sendContents(
    contents: MessageContents,
    deliver_at: string | undefined
  ): Promise<string | null> {
    const { api, composition, threadId } = this._options;
    if (composition.attachments.some(isUnfinished)) {
      await composition.uploads.untilSettled(contents.fileKeys);
    }
    let message = this._makeMessage(contents);
    let { live } = contents;
    const pending = this._pending;
    if (message?.key === pending?.key && pending !== null && hasKindsOf(live, pending.live)) {
      // The server may have this message already; with a changed live context it would be a second message.
      ({ live } = pending);
      message = this._makeMessage({ ...contents, live });
    }
    if (message === null) {
      return null;
    }
    this._pending = { key: message.key, live };
    try {
      const answer = await api.request({
        method: 'POST',
        path: `threads/${encodeURIComponent(threadId)}/messages`,
        body: deliver_at === undefined ? message.body : { ...message.body, deliver_at },
        headers: { 'Idempotency-Key': idempotencyKey(message.key, live, deliver_at) }
      });
      this._pending = null;
      composition.dropSent(message);
      return messageIdOf(answer);
    } catch (error) {
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) {
        this._pending = null; // the server has refused the message, so it does not have it
      }
      throw error;
    }
  }

  /** Make the message from its contents; null if it cannot be sent. */
  private _makeMessage(contents: MessageContents): FinishedMessage | null {
    const { composition, trans, onProblem, isClosed } = this._options;
    if (isClosed()) {
      return null;
    }
    const message = composition.makeMessage(contents);
    const isAttached = composition.attachments.some(file => contents.fileKeys.has(file.key));
    if (message === null && isAttached) {
      onProblem(trans.__('A file is not attached. Remove it, or try it again.'));
    }
    return message;
  }

  private _explain(error: unknown): string {
    const { composition, trans } = this._options;
    const reason = explain(error, trans);
    return composition.text.trim() === ''
      ? trans.__('%1 Your message is kept.', reason)
      : trans.__('%1 Your text is kept.', reason);
  }

  /** A message that the server may have, because no response came, with its live context. */
  private _pending: { readonly key: string; readonly live: readonly Mention[] } | null = null;
  private _isSending = false;
}

/** Whether `live` has all kinds of `before`: a kind that the person has removed must not be sent again. */
function hasKindsOf(live: readonly Mention[], before: readonly Mention[]): boolean {
  const kindOf = ({ id = '' }: Mention): string => id.slice(0, id.indexOf(':'));
  const kinds = live.map(kindOf);
  return before.every(item => kinds.includes(kindOf(item)));
}

/** The same text for another time, or with another live context, is a different message (L11). */
function idempotencyKey(key: string, live: readonly Mention[], deliver_at = ''): string {
  const version = live.length === 0 ? '' : digestOf(JSON.stringify(live));
  return [key, deliver_at, version].filter(Boolean).join('@');
}

/** The id of a message that the server has accepted. */
export function messageIdOf(answer: unknown): string {
  const { message } = (answer ?? {}) as { readonly message?: { readonly id?: unknown } };
  return typeof message?.id === 'string' ? message.id : '';
}
