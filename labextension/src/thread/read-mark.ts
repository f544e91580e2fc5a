/**
 * Tells the server up to where a person has read a thread.
 *
 * All views of a thread share one mark. The page sends it once for each answer that the person has seen,
 * even if several views show the answer.
 */
import { type Api, ApiError } from '../connection/api';
import { type Transcript } from '../fold/transcript';
import { type MessageStatus } from '../protocol/records';

/** Statuses that count as unread answers (docs/protocol.md, "The list of threads"). */
const COUNTED: ReadonlySet<MessageStatus> = new Set(['completed', 'failed', 'interrupted']);

export class ReadMark {
  constructor(threadId: string, api: Api) {
    this._path = `threads/${encodeURIComponent(threadId)}/read`;
    this._api = api;
  }

  /** Whether the thread is marked up to this seq, or the mark is being sent. */
  covers(seq: number): boolean {
    return seq <= this._seq;
  }

  /** Mark the thread as read up to this seq. */
  mark(seq: number): void {
    if (this.covers(seq)) {
      return;
    }
    const before = this._seq;
    this._seq = seq;
    this._api
      .request({ method: 'PUT', path: this._path, body: { seq } })
      .catch((error: unknown) => {
        const isGone = error instanceof ApiError && [404, 409].includes(error.status);
        if (!isGone && this._seq === seq) {
          this._seq = before; // no response, or signed out: the next `mark` tries again
        }
      });
  }

  private readonly _path: string;
  private readonly _api: Api;
  private _seq = 0;
}

/** The seq of the newest ended answer, of one run or of the thread; 0 if there is none. */
export function endedSeq(transcript: Transcript, runId: string | null): number {
  let newest = 0;
  for (const message of transcript.messages.values()) {
    const isShown = runId === null || message.run_id === runId;
    if (isShown && message.role === 'assistant' && COUNTED.has(message.status)) {
      newest = Math.max(newest, message.seq);
    }
  }
  return newest;
}
