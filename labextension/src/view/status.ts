/** The lines that tell the reader what a chat is doing. Pure. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { signedOutText } from '../connection/api';
import { type Link } from '../connection/follower';
import { incompleteOf } from '../fold/endings';
import { openQuestion } from '../fold/questions';
import { type ToolUse, callName, toolState, toolUses } from '../fold/tool-calls';
import { type Failure, type Message, type Run, isEnd } from '../protocol/records';
import { type Language } from '../text/language';
import { stoppedText } from '../text/texts';
import { soonText, timeText } from './times';

/** A line beside the composer or below a reply. */
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
    | 'elsewhere'
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
  /** A shorter text for a narrow place. */
  readonly short?: string;
}

/** Why the provider is asked again, by the codes of `shared/errors/providers.py` (see `retryLine`). */
function reasonText(detail: string | undefined, trans: TranslationBundle): string | undefined {
  switch (detail) {
    case 'overloaded':
      return trans.__('the model is overloaded');
    case 'provider_down':
      return trans.__('the model could not be reached');
    case 'rate_limited':
      return trans.__('too many requests to the model');
    case 'stalled':
      return trans.__('the model stopped responding');
    case 'stream_cut':
      return trans.__('the answer was cut off');
    case 'upstream_lost':
      return trans.__('the running answer could not be joined again');
    default:
      return detail;
  }
}

/** The line for a run's phase, or for the status of a message whose run has no phase. */
function phaseLine(phase: string, trans: TranslationBundle): StatusLine | null {
  switch (phase) {
    case 'queued':
    case 'pending':
      return { state: 'queued', text: trans.__('Queued') };
    case 'thinking':
    case 'processing':
      return { state: 'thinking', text: trans.__('Thinking…') };
    case 'tool_calling':
      return { state: 'tool_calling', text: trans.__('Calling a tool…') };
    case 'building':
      return { state: 'building', text: trans.__('Preparing…') };
    case 'waiting':
      return { state: 'waiting', text: trans.__('Waiting') };
    case 'continuing':
      return { state: 'continuing', text: trans.__('Continuing the answer…') };
    default:
      return null;
  }
}

/** The line for a message that ended with this status. */
function endLine(status: string, trans: TranslationBundle): StatusLine {
  switch (status) {
    case 'failed':
      return { state: 'failed', text: trans.__('This answer failed.') };
    case 'cancelled':
      return { state: 'cancelled', text: stoppedText(trans) };
    case 'interrupted':
      return { state: 'interrupted', text: trans.__('This answer was interrupted.') };
    default:
      return { state: 'completed', text: '' };
  }
}

/** The text for a message on its way to the server, and for a scheduled one whose time has come. */
export function sendingText(trans: TranslationBundle): string {
  return trans.__('Sending…');
}

/** The line for the connection to the server; null while it works. */
export function linkLine(link: Link, trans: TranslationBundle): StatusLine | null {
  switch (link) {
    case 'live':
      return null;
    case 'connecting':
      return { state: 'connecting', text: trans.__('Connecting…') };
    case 'reconnecting':
      return { state: 'reconnecting', text: trans.__('Reconnecting…') };
    case 'signed_out':
      return { state: 'signed_out', text: signedOutText(trans) };
  }
}

interface ReplyFacts {
  readonly reply: Message;
  readonly run: Run | undefined;
  /** The `detail` of the run's last status event. */
  readonly detail: string | undefined;
  readonly isStopping: boolean;
  readonly now_ms: number;
  /** How many answers come before it in the thread's queue. */
  readonly ahead: number;
}

/** The line for a reply and the run that writes it. */
export function replyLine(facts: ReplyFacts, language: Language): StatusLine {
  const { reply, run, detail, isStopping, now_ms } = facts;
  const { trans } = language;
  if (isEnd(reply.status)) {
    return outcomeLine(reply, run, trans);
  }
  if (isStopping) {
    return { state: 'stopping', text: trans.__('Stopping…') };
  }
  if (run?.phase === 'retrying') {
    return retryLine(run, detail, now_ms, language);
  }
  if (isStreaming(reply, run)) {
    return { state: 'streaming', text: trans.__('Answering…') };
  }
  if (openQuestion(reply, run) !== undefined) {
    const text = trans.__('Waiting for your answer');
    return { state: 'waiting', text, short: trans.__('Waiting for you') };
  }
  const calls = openCalls(reply);
  if (run?.phase === 'waiting' && calls.length > 0) {
    return callsLine(calls, trans);
  }
  if (run?.phase === 'waiting' && run.wake_at !== null) {
    return waitLine(run.wake_at, detail, now_ms, language);
  }
  if (run?.phase === 'queued' && facts.ahead > 0) {
    const text = trans._n('Queued behind %1 answer', 'Queued behind %1 answers', facts.ahead);
    return { state: 'queued', text };
  }
  const tool = run?.phase === 'tool_calling' ? openTool(reply) : '';
  if (tool !== '') {
    return { state: 'tool_calling', text: trans.__('Calling %1…', tool) };
  }
  const line = phaseLine(run?.phase ?? '', trans) ?? phaseLine(reply.status, trans);
  return line ?? { state: 'thinking', text: trans.__('Working…') };
}

/** The tool calls that others than the provider execute, and that have no result. */
function openCalls({ parts }: Message): readonly ToolUse[] {
  return toolUses(parts).filter(({ call, result }) => call?.where !== undefined && result === null);
}

/** What a run waits for that has let go of its tool calls: the one that runs is told first. */
function callsLine(calls: readonly ToolUse[], trans: TranslationBundle): StatusLine {
  const running = calls.find(use => toolState(use, false) === 'running');
  const use = running ?? calls[0];
  const name = use === undefined ? '' : callName(use);
  if (running !== undefined) {
    const short = trans.__('Running %1…', name);
    const executor = running.call?.executor ?? '';
    const text = executor === '' ? short : trans.__('Running %1 in %2…', name, executor);
    return { state: 'tool_calling', text, short };
  }
  const short = trans.__('Waiting for %1', name);
  const isOfKernel = use?.call?.where === 'kernel';
  const text = isOfKernel ? trans.__('Waiting for a kernel to run %1', name) : short;
  return { state: 'waiting', text, short };
}

/** The name of the newest tool call without a result; empty if there is none. */
function openTool({ parts }: Message): string {
  const open = toolUses(parts).filter(use => use.call?.name !== undefined && use.result === null);
  const last = open.at(-1);
  return last === undefined ? '' : callName(last);
}

/** Whether text is being added to the reply now. */
export function isStreaming(reply: Message, run: Run | undefined): boolean {
  const last = reply.parts.at(-1);
  const isWritten = reply.status === 'processing' && run?.phase !== 'tool_calling';
  return isWritten && last?.kind === 'text' && last.text !== '';
}

/** How a reply ended: what it lacks, or why it failed. */
function outcomeLine(reply: Message, run: Run | undefined, trans: TranslationBundle): StatusLine {
  const incomplete = incompleteOf(reply);
  if (incomplete !== null) {
    return { state: 'incomplete', text: incomplete.message };
  }
  const line = endLine(reply.status, trans);
  const error = reply.error ?? run?.error ?? null;
  return reply.status === 'failed' && error !== null
    ? { ...line, text: failureText(error, trans) }
    : line;
}

/** The error's own message. That of an expired question is replaced: it names a time in UTC. */
function failureText(error: Failure, trans: TranslationBundle): string {
  return error.code === 'input_expired'
    ? trans.__('Nobody answered the question in time. Press Retry to be asked again.')
    : error.message;
}

function waitLine(
  until: string,
  detail: string | undefined,
  now_ms: number,
  language: Language
): StatusLine {
  const { trans } = language;
  const time = timeText(until, now_ms, language);
  const reason = withoutFullStop(detail);
  return {
    state: 'waiting',
    text:
      reason === ''
        ? trans.__('Waiting until %1', time)
        : trans.__('Waiting until %1 (%2)', time, reason),
    short: trans.__('Until %1', time)
  };
}

/** The line between two attempts. `run.attempt` is the one that failed; the line names the next. */
function retryLine(
  run: Run,
  detail: string | undefined,
  now_ms: number,
  language: Language
): StatusLine {
  const { trans } = language;
  const waitText = run.wake_at === null ? '' : soonText(run.wake_at, now_ms, language);
  const startText = waitText === '' ? trans.__('now') : waitText;
  const reason = withoutFullStop(reasonText(detail, trans));
  const attempt = run.attempt + 1;
  return {
    state: 'retrying',
    text:
      reason === ''
        ? trans.__('Trying again %1, attempt %2', startText, attempt)
        : trans.__('Trying again %1 (%2), attempt %3', startText, reason, attempt),
    short: waitText === '' ? trans.__('Retrying…') : trans.__('Retry %1', waitText)
  };
}

function withoutFullStop(reason: string | undefined): string {
  return (reason ?? '').replace(/[.\s]+$/, '');
}
