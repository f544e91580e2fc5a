/** What the reader is told, in words. Pure. */
import { type Link } from '../connection';
import { type Message, type Run, isEnd } from '../protocol';

/** A line beside the composer, or below a reply. */
export interface StatusLine {
  /** For style and tests: `data-state`. */
  readonly state:
    | 'idle'
    | 'connecting'
    | 'reconnecting'
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
    | 'failed'
    | 'cancelled'
    | 'interrupted';
  readonly text: string;
  /** The same where there is little room. */
  readonly short?: string;
}

/** Why a provider is asked again: the codes of `errors.py`, as the `detail` of `retrying` has them. */
const REASONS: Readonly<Record<string, string>> = {
  overloaded: 'The model is overloaded',
  provider_down: 'The model could not be reached',
  rate_limited: 'Too many requests to the model',
  stalled: 'The model fell silent',
  stream_cut: 'The answer was cut off'
};

const BY_PHASE: Readonly<Record<string, StatusLine>> = {
  queued: { state: 'queued', text: 'Queued' },
  thinking: { state: 'thinking', text: 'Thinking…' },
  tool_calling: { state: 'tool_calling', text: 'Calling a tool…' },
  building: { state: 'building', text: 'Preparing…' },
  waiting: { state: 'waiting', text: 'Waiting for your answer' },
  continuing: { state: 'continuing', text: 'Going on where it was cut…' }
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
    const reason = reply.error?.message ?? run?.error?.message;
    return reply.status === 'failed' && reason !== undefined ? { ...line, text: reason } : line;
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
  const line = BY_PHASE[run?.phase ?? ''] ?? BY_STATUS[reply.status];
  return line ?? { state: 'thinking', text: 'Working…' };
}

/** Whether text is being added to the reply now. */
export function isStreaming(reply: Message, run: Run | undefined): boolean {
  const last = reply.parts.at(-1);
  const isMade = reply.status === 'processing' && run?.phase !== 'tool_calling';
  return isMade && last?.kind === 'text' && last.text !== '';
}

function retrying(run: Run, detail: string | undefined, now_ms: number): StatusLine {
  const said = run.error?.message ?? detail ?? '';
  const reason = (REASONS[said] ?? (said || 'The model did not answer')).replace(/[.\s]+$/, '');
  const left_s = secondsUntil(run.wake_at, now_ms);
  const text = left_s > 0 ? `${reason}: trying again in ${left_s} s` : `${reason}: trying again…`;
  const short = left_s > 0 ? `Retrying in ${left_s} s` : 'Retrying…';
  return { state: 'retrying', text, short };
}

/** Whole seconds until a time on the wire; 0 where it is past or none. */
export function secondsUntil(at: string | null, now_ms: number): number {
  const left_ms = at === null ? 0 : Date.parse(at) - now_ms;
  return left_ms > 0 ? Math.ceil(left_ms / 1000) : 0;
}
