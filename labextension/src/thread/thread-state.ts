/** The state of one thread in this page. */
import { type DraftContext } from '../composer/drafts';
import { type DraftFile } from '../composer/uploads';
import { type Link } from '../connection/follower';
import { type ThreadEnd } from '../connection/thread-ends';
import { type LostAnswer } from '../fold/questions';
import { EMPTY, type Transcript } from '../fold/transcript';
import { NO_PARAMS, type Params } from '../models/offer';

/** Everything that a view draws. Immutable. */
export interface ThreadState {
  readonly transcript: Transcript;
  /** The newest messages, drawn until a long thread is loaded; null after that. */
  readonly preview: Transcript | null;
  readonly link: Link;
  readonly end: ThreadEnd | null;
  /** The parameters of the next answers, including changes that this page is sending. */
  readonly params: Params;
  readonly draft: string;
  readonly attachments: readonly DraftFile[];
  /** The texts that a model will read before the next message. */
  readonly context: readonly DraftContext[];
  readonly isSending: boolean;
  /** Ids of the runs for which this page is sending a command. */
  readonly acting: ReadonlySet<string>;
  /** By `request_id`: the answers of this page that came too late. */
  readonly lateAnswers: ReadonlyMap<string, LostAnswer>;
  /** Why the reader's last command failed; the draft is kept. */
  readonly problem: string | null;
}

/** The state of a thread before the first event. */
export const NOT_FOLLOWED: ThreadState = {
  transcript: EMPTY,
  preview: null,
  link: 'connecting',
  end: null,
  params: NO_PARAMS,
  draft: '',
  attachments: [],
  context: [],
  isSending: false,
  acting: new Set(),
  lateAnswers: new Map(),
  problem: null
};
