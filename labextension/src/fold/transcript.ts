/**
 * The fold: from events to the state of a thread. Pure.
 *
 * The twin of `jupyter_chat_stream/shared/fold.py`; both run `tests/vectors`. States are immutable.
 * They share unchanged objects, so that a view can recognise a changed message by identity.
 */
import {
  type Failure,
  type InputRequestPart,
  type Message,
  type Part,
  type Run,
  type Snapshot,
  type MessageStatus,
  type Thread,
  type ThreadEvent,
  type ToolCallPart,
  type ToolResultPart
} from '../protocol/records';
import { type ReplyTimes, timesAfter } from './reply-times';

/** The state of one thread at a cursor. */
export interface Transcript {
  readonly thread: Thread | null;
  /** By id, oldest first. */
  readonly messages: ReadonlyMap<string, Message>;
  readonly runs: ReadonlyMap<string, Run>;
  readonly seq: number;
  /** By run id: the `detail` of the last `status` event. It is only shown, and no part of the state. */
  readonly details: ReadonlyMap<string, string>;
  /** By message id: when its parts were written, also only shown. */
  readonly times: ReadonlyMap<string, ReplyTimes>;
}

export const EMPTY: Transcript = {
  thread: null,
  messages: new Map(),
  runs: new Map(),
  seq: 0,
  details: new Map(),
  times: new Map()
};

/** An event does not fit the state: the reader drops the state and follows again from 0. */
export class FoldError extends Error {
  override readonly name = 'FoldError';

  constructor(
    message: string,
    readonly seq: number
  ) {
    super(message);
  }
}

type EventOf<T extends ThreadEvent['type']> = Extract<ThreadEvent, { type: T }>;

const STATUS_BY_PHASE: Readonly<Record<string, MessageStatus>> = {
  queued: 'pending',
  waiting: 'waiting',
  retrying: 'waiting',
  thinking: 'processing',
  tool_calling: 'processing',
  building: 'processing',
  continuing: 'processing'
};

const PART_BY_KIND: Readonly<Record<string, 'text' | 'reasoning' | 'tool_call'>> = {
  text: 'text',
  reasoning: 'reasoning',
  tool_input: 'tool_call'
};

/** Fold events in; those at or before the cursor are skipped. Raises FoldError. */
export function fold(state: Transcript, events: readonly ThreadEvent[]): Transcript {
  const builder = new TranscriptBuilder(state);
  for (const event of events) {
    builder.apply(event);
  }
  return builder.finish();
}

/** Apply a snapshot: its objects replace the known ones, and its seq becomes the cursor. */
export function replace(state: Transcript, snapshot: Snapshot): Transcript {
  if (snapshot.seq < state.seq) {
    return state;
  }
  const messages = new Map(state.messages);
  for (const message of snapshot.messages) {
    messages.set(message.id, withoutContent(message, message.seq));
  }
  const runs = new Map(state.runs);
  for (const run of snapshot.runs) {
    runs.set(run.id, run);
  }
  return { ...state, thread: snapshot.info, messages, runs, seq: snapshot.seq };
}

function withoutContent(message: Omit<Message, 'seq'>, seq: number): Message {
  const {
    content: _content,
    incomplete: _incomplete,
    ...fields
  } = message as Message & { content?: string; incomplete?: unknown };
  return { ...fields, seq };
}

/** Folds one batch of events. It copies the maps once for the batch, not once for each event. */
class TranscriptBuilder {
  constructor(state: Transcript) {
    this._thread = state.thread;
    this._messages = new Map(state.messages);
    this._runs = new Map(state.runs);
    this._details = new Map(state.details);
    this._times = new Map(state.times);
    this._seq = state.seq;
  }

  finish(): Transcript {
    return {
      thread: this._thread,
      messages: this._messages,
      runs: this._runs,
      seq: this._seq,
      details: this._details,
      times: this._times
    };
  }

  apply(event: ThreadEvent): void {
    if (event.seq <= this._seq) {
      return;
    }
    if (event.type === 'thread') {
      this._change(event.thread);
    } else if (event.type === 'message') {
      this._put(event);
    } else if (event.message_id !== undefined) {
      const message = this._messages.get(event.message_id);
      if (message !== undefined && event.seq > message.seq) {
        this._messages.set(message.id, { ...foldMessage(message, event), seq: event.seq });
        this._time(message, event);
      }
    }
    const run = event.run_id === undefined ? undefined : this._runs.get(event.run_id);
    if (run !== undefined) {
      this._runs.set(run.id, foldRun(run, event));
      this._note(run.id, event);
    }
    if (event.type === 'thread' || event.type === 'message' || event.type === 'finalized') {
      this._change({ updated_at: event.at });
    }
    this._seq = event.seq;
  }

  private _change(fields: Partial<Thread>): void {
    this._thread = { ...this._thread, ...fields } as Thread;
  }

  private _put(event: EventOf<'message'>): void {
    const { message } = event;
    const current = this._messages.get(message.id);
    if (current !== undefined && event.seq <= current.seq) {
      return;
    }
    this._messages.set(message.id, withoutContent(message, event.seq));
    if (takesHead(event)) {
      this._change({ head: message.id });
    }
    const runId = message.role === 'assistant' ? event.run_id : undefined;
    if (current === undefined && runId !== undefined && !this._runs.has(runId)) {
      this._runs.set(runId, beginRun(event, runId));
    }
  }

  private _time(before: Message, event: ThreadEvent): void {
    const current = this._times.get(before.id);
    const times = timesAfter(current, event, before);
    if (times !== current) {
      this._times.set(before.id, times);
    }
  }

  private _note(runId: string, event: ThreadEvent): void {
    if (event.type === 'status' && event.detail !== undefined) {
      this._details.set(runId, event.detail);
    } else if (event.type === 'status' || event.type === 'finalized') {
      this._details.delete(runId);
    }
  }

  private _thread: Thread | null;
  private readonly _messages: Map<string, Message>;
  private readonly _runs: Map<string, Run>;
  private readonly _details: Map<string, string>;
  private readonly _times: Map<string, ReplyTimes>;
  private _seq: number;
}

/** Whether this event makes a reply the thread's head: the reply has begun or was delivered. */
function takesHead(event: EventOf<'message'>): boolean {
  const { role, status } = event.message;
  return role === 'assistant' && status !== 'waiting' && event.attempt === undefined;
}

/** Fold one event into its message; the caller sets `seq`. */
function foldMessage(message: Message, event: ThreadEvent): Message {
  switch (event.type) {
    case 'delta':
      return { ...message, parts: append(message.parts, event) };
    case 'status':
      return { ...message, status: STATUS_BY_PHASE[event.phase] ?? message.status };
    case 'tool_start':
      return { ...message, parts: startTool(message.parts, event) };
    case 'tool_allowed':
    case 'tool_claimed':
    case 'tool_output':
      return { ...message, parts: message.parts.map(part => advanceCall(part, event)) };
    case 'tool_result':
      return { ...message, parts: [...message.parts, toolResult(event)] };
    case 'note':
      return { ...message, parts: [...message.parts, { kind: 'note', text: event.text }] };
    case 'input_request':
      return { ...message, status: 'waiting', parts: [...message.parts, inputRequest(event)] };
    case 'input':
      return {
        ...message,
        status: 'pending',
        parts: message.parts.map(part => answer(part, event))
      };
    case 'complete':
      return {
        ...message,
        usage: event.usage ?? null,
        stop_reason: event.stop_reason ?? null,
        model: event.model ?? message.model,
        error: null
      };
    case 'error':
      return { ...message, error: failure(event) };
    case 'finalized':
      return { ...message, status: event.status, usage: event.usage ?? message.usage };
    default:
      return message;
  }
}

function append(parts: readonly Part[], event: EventOf<'delta'>): readonly Part[] {
  const kind = PART_BY_KIND[event.kind];
  if (kind !== undefined && event.part === parts.length) {
    return [...parts, { kind, text: event.text }];
  }
  const part = parts[event.part];
  if (part === undefined || part.kind !== kind || !('text' in part) || part.text === undefined) {
    const problem = `Event ${event.seq} appends to part ${event.part}, which cannot take it.`;
    throw new FoldError(problem, event.seq);
  }
  const newParts = parts.slice();
  newParts[event.part] = { ...part, text: part.text + event.text };
  return newParts;
}

function startTool(parts: readonly Part[], event: EventOf<'tool_start'>): readonly Part[] {
  if (event.part < 0 || event.part > parts.length) {
    throw new FoldError(`Event ${event.seq} starts part ${event.part}, too far.`, event.seq);
  }
  const { tool_call_id, name, input, where, effect, expires_at } = event;
  const call: ToolCallPart = { kind: 'tool_call', tool_call_id, name, input };
  const newParts = parts.slice();
  newParts[event.part] = {
    ...call,
    ...(isGiven(where) ? { where } : {}),
    ...(isGiven(effect) ? { effect } : {}),
    ...(isGiven(expires_at) ? { expires_at } : {})
  };
  return newParts;
}

/** Fold an event of a tool call into the call's part; every other part stays the same object. */
function advanceCall(
  part: Part,
  event: EventOf<'tool_allowed' | 'tool_claimed' | 'tool_output'>
): Part {
  if (part.kind !== 'tool_call' || part.tool_call_id !== event.tool_call_id) {
    return part;
  }
  switch (event.type) {
    case 'tool_allowed':
      return {
        ...part,
        allowed: {
          consent: event.consent,
          by: event.by ?? null,
          at: event.at,
          ...(isGiven(event.accepted) ? { accepted: event.accepted } : {})
        }
      };
    case 'tool_claimed':
      return {
        ...part,
        executor: event.executor ?? null,
        ...(isGiven(event.job_id) ? { job_id: event.job_id } : {})
      };
    case 'tool_output':
      return { ...part, progress: (part.progress ?? '') + event.text };
  }
}

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}

function toolResult(event: EventOf<'tool_result'>): ToolResultPart {
  const { tool_call_id, name, success, output, job_id, reason, attachments } = event;
  return {
    ...{ kind: 'tool_result', tool_call_id, name, success, output },
    ...(isGiven(job_id) ? { job_id } : {}),
    ...(isGiven(reason) ? { reason } : {}),
    ...(isGiven(attachments) && attachments.length > 0 ? { attachments } : {})
  };
}

function inputRequest(event: EventOf<'input_request'>): InputRequestPart {
  return {
    kind: 'input_request',
    request_id: event.request_id,
    prompt: event.prompt,
    choices: event.choices ?? null,
    expires_at: event.expires_at ?? null,
    value: null,
    by: null,
    ...(isGiven(event.kind) ? { request_kind: event.kind } : {}),
    ...(isGiven(event.tool_call_id) ? { tool_call_id: event.tool_call_id } : {})
  };
}

function answer(part: Part, event: EventOf<'input'>): Part {
  const isAsked = part.kind === 'input_request' && part.request_id === event.request_id;
  return isAsked ? { ...part, value: event.value, by: event.by } : part;
}

function failure(event: EventOf<'error'>): Failure {
  return { code: event.code, message: event.message, retryable: event.retryable };
}

function beginRun(event: EventOf<'message'>, id: string): Run {
  return {
    id,
    thread_id: event.thread_id,
    message_id: event.message.id,
    status: 'pending',
    phase: 'queued',
    attempt: 0,
    model: event.message.model,
    error: null,
    continues: event.continues ?? null,
    created_at: event.at,
    started_at: null,
    first_event_at: null,
    ended_at: null,
    wake_at: null
  };
}

function foldRun(before: Run, event: ThreadEvent): Run {
  const run = event.attempt === undefined ? before : { ...before, attempt: event.attempt };
  switch (event.type) {
    case 'delta':
      return { ...run, first_event_at: run.first_event_at ?? event.at };
    case 'message': {
      if (event.attempt !== undefined) {
        return run; // a new attempt of a run that has begun: its status does not change
      }
      const { status } = event.message;
      const phase = status === 'waiting' ? 'waiting' : 'queued';
      return { ...run, status, phase, wake_at: event.deliver_at ?? null };
    }
    case 'status': {
      const status = STATUS_BY_PHASE[event.phase] ?? run.status;
      const started_at = status === 'processing' ? (run.started_at ?? event.at) : run.started_at;
      return { ...run, status, started_at, phase: event.phase, wake_at: event.until ?? null };
    }
    case 'input_request': {
      const wake_at = event.expires_at ?? null;
      return { ...run, status: 'waiting', phase: 'waiting', wake_at };
    }
    case 'input':
      return { ...run, status: 'pending', phase: 'queued', wake_at: null };
    case 'complete':
      return { ...run, error: null };
    case 'error':
      return { ...run, error: failure(event) };
    case 'finalized':
      return { ...run, status: event.status, ended_at: event.at, phase: null, wake_at: null };
    default:
      return run;
  }
}
