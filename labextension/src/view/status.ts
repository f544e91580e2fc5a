/** What the reader is told, in words. Pure. */
import { LOGIN_ENDED } from '../api';
import { incompleteOf } from '../endings';
import { type Link } from '../follower';
import { type Failure, type Message, type Run, isEnd } from '../protocol';
import { openQuestion } from '../questions';
import { soonText, timeText } from './times';

/** A line beside the composer, or below a reply. */
export interface StatusLine {
  /** For style and tests: `data-state`. */
  readonly state:
    | 'idle'
    | 'connecting'
    | 'reconnecting'
    | 'signed_out'
    | 'queued'
    | 'thinking'
    | 'streaming'
    | 'tool_calling'
    | 'building'
    | 'continuing'
    | 'retrying'
    | 'waiting'
    | 'stopping'
    | 'completed'
    | 'incomplete'
    | 'failed'
    | 'cancelled'
    | 'interrupted';
  readonly text: string;
  /** The same where there is little room. */
  readonly short?: string;
}

/** Why a provider is asked again: the codes of `shared/errors/providers.py`, as the `detail` of `retrying` has them. */
const REASONS: Readonly<Record<string, string>> = {
  overloaded: 'the model is overloaded',
  provider_down: 'the model could not be reached',
  rate_limited: 'too many requests to the model',
  stalled: 'the model fell silent',
  stream_cut: 'the answer was cut off'
};

const BY_PHASE: Readonly<Record<string, StatusLine>> = {
  queued: { state: 'queued', text: 'Queued' },
  thinking: { state: 'thinking', text: 'Thinking…' },
  tool_calling: { state: 'tool_calling', text: 'Calling a tool…' },
  building: { state: 'building', text: 'Preparing…' },
  waiting: { state: 'waiting', text: 'Waiting' },
  continuing: { state: 'continuing', text: 'Continuing the answer…' }
};

const BY_STATUS: Readonly<Record<string, StatusLine>> = {
  pending: { state: 'queued', text: 'Queued' },
  processing: { state: 'thinking', text: 'Thinking…' },
  waiting: { state: 'waiting', text: 'Waiting' },
  completed: { state: 'completed', text: '' },
  failed: { state: 'failed', text: 'This answer failed.' },
  cancelled: { state: 'cancelled', text: 'Stopped' },
  interrupted: { state: 'interrupted', text: 'This answer was interrupted.' }
};

/** What to say of the way to the server; null where all is well. */
export function linkLine(link: Link): StatusLine | null {
  switch (link) {
    case 'live':
      return null;
    case 'connecting':
      return { state: 'connecting', text: 'Connecting…' };
    case 'reconnecting':
      return { state: 'reconnecting', text: 'Reconnecting…' };
    case 'signed_out':
      return { state: 'signed_out', text: LOGIN_ENDED };
  }
}

export interface ReplyFacts {
  readonly reply: Message;
  readonly run: Run | undefined;
  /** What the run's last status event said beside its phase. */
  readonly detail: string | undefined;
  readonly isStopping: boolean;
  readonly now_ms: number;
}

/** What to say of a reply and the run that makes it. */
export function replyLine({ reply, run, detail, isStopping, now_ms }: ReplyFacts): StatusLine {
  if (isEnd(reply.status)) {
    const line = BY_STATUS[reply.status] ?? { state: 'idle', text: '' };
    const incomplete = incompleteOf(reply);
    if (incomplete !== null) {
      return { state: 'incomplete', text: incomplete.message };
    }
    const error = reply.error ?? run?.error ?? null;
    return reply.status === 'failed' && error !== null ? { ...line, text: said(error) } : line;
  }
  if (isStopping) {
    return { state: 'stopping', text: 'Stopping…' };
  }
  if (run?.phase === 'retrying') {
    return retrying(run, detail, now_ms);
  }
  if (isStreaming(reply, run)) {
    return { state: 'streaming', text: 'Answering…' };
  }
  if (openQuestion(reply, run) !== undefined) {
    return { state: 'waiting', text: 'Waiting for your answer', short: 'Waiting for you' };
  }
  if (run?.phase === 'waiting' && run.wake_at !== null) {
    return waiting(run.wake_at, detail, now_ms);
  }
  const line = BY_PHASE[run?.phase ?? ''] ?? BY_STATUS[reply.status];
  return line ?? { state: 'thinking', text: 'Working…' };
}

/** Whether text is being added to the reply now. */
export function isStreaming(reply: Message, run: Run | undefined): boolean {
  const last = reply.parts.at(-1);
  const isMade = reply.status === 'processing' && run?.phase !== 'tool_calling';
  return isMade && last?.kind === 'text' && last.text !== '';
}

/** A failure's own words, but for a time that the reader has in theirs. */
function said(error: Failure): string {
  const isExpired = error.code === 'input_expired';
  return isExpired
    ? 'Nobody answered the question in time. Press Retry to be asked again.'
    : error.message;
}

function waiting(until: string, detail: string | undefined, now_ms: number): StatusLine {
  const time = timeText(until, now_ms);
  const text = `Waiting until ${time}${inBrackets(detail)}`;
  return { state: 'waiting', text, short: `Until ${time}` };
}

/** The run's attempt is the one that failed; the next one is what is waited for. */
function retrying(run: Run, detail: string | undefined, now_ms: number): StatusLine {
  const when = run.wake_at === null ? '' : soonText(run.wake_at, now_ms);
  const reason = inBrackets(REASONS[detail ?? ''] ?? detail);
  const again = `Trying again ${when || 'now'}`;
  const text = `${again}${reason}, attempt ${run.attempt + 1}`;
  return { state: 'retrying', text, short: when === '' ? 'Retrying…' : `Retry ${when}` };
}

function inBrackets(reason: string | undefined): string {
  const text = (reason ?? '').replace(/[.\s]+$/, '');
  return text === '' ? '' : ` (${text})`;
}
