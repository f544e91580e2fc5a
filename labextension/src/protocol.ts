/**
 * The wire as types, and the one place where what came over it is checked.
 *
 * Normative text: docs/protocol.md. Values stay the wire's own objects; `parseFrame` looks at what
 * the fold relies on and leaves unknown fields alone. Unknown frames become null, unknown events
 * `unknown`, so that a newer server can talk to an older page.
 */

export type Status =
  'pending' | 'processing' | 'waiting' | 'completed' | 'failed' | 'cancelled' | 'interrupted';

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
}

export interface Thread {
  readonly id: string;
  readonly name: string | null;
  readonly title: string | null;
  readonly model: string | null;
  readonly head: string | null;
  readonly deleted: boolean;
  readonly updated_at: string;
}

export interface TextPart {
  readonly kind: 'text' | 'reasoning';
  readonly text: string;
}

export interface ToolCallPart {
  readonly kind: 'tool_call';
  /** The cut-off JSON while the input streams; gone once it is whole. */
  readonly text?: string;
  readonly tool_call_id?: string;
  readonly name?: string;
  readonly input?: unknown;
}

export interface ToolResultPart {
  readonly kind: 'tool_result';
  readonly tool_call_id: string;
  readonly name: string;
  readonly success: boolean;
  readonly output: unknown;
  readonly job_id?: string;
}

export interface InputRequestPart {
  readonly kind: 'input_request';
  readonly request_id: string;
  readonly prompt: string;
  readonly choices: readonly string[] | null;
  readonly expires_at: string | null;
  readonly value: unknown;
  readonly by: string | null;
}

export interface AttachmentPart {
  readonly kind: 'attachment';
  readonly name: string;
  readonly text: string;
}

export type Part = TextPart | ToolCallPart | ToolResultPart | InputRequestPart | AttachmentPart;

/** A message without `content`: that is derived, see `contentOf`. */
export interface Message {
  readonly id: string;
  readonly thread_id: string;
  readonly role: 'user' | 'assistant';
  readonly kind: string;
  readonly status: Status;
  readonly parts: readonly Part[];
  readonly model: string | null;
  readonly usage: Readonly<Record<string, unknown>> | null;
  readonly stop_reason: string | null;
  readonly error: Failure | null;
  readonly run_id: string | null;
  readonly parent_id: string | null;
  readonly seq: number;
  readonly created_at: string;
}

export interface Run {
  readonly id: string;
  readonly thread_id: string;
  readonly message_id: string;
  readonly status: Status;
  readonly phase: string | null;
  readonly attempt: number;
  readonly model: string | null;
  readonly job_id: string | null;
  readonly error: Failure | null;
  readonly continues: string | null;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly first_event_at: string | null;
  readonly ended_at: string | null;
  readonly wake_at: string | null;
}

export interface Model {
  readonly id: string;
  readonly provider: string;
  readonly label: string;
  readonly canned: boolean;
  readonly ready: boolean;
}

export interface ModelList {
  readonly models: readonly Model[];
  readonly default: string | null;
}

interface EventCommon {
  readonly seq: number;
  readonly thread_id: string;
  readonly at: string;
  readonly run_id?: string;
  readonly message_id?: string;
  readonly attempt?: number;
}

export type ThreadEvent = EventCommon &
  (
    | { readonly type: 'thread'; readonly thread: Partial<Thread> }
    | {
        readonly type: 'message';
        readonly message: Omit<Message, 'seq'>;
        readonly continues?: string;
      }
    | {
        readonly type: 'status';
        readonly phase: string;
        readonly detail?: string;
        readonly until?: string;
      }
    | {
        readonly type: 'delta';
        readonly part: number;
        readonly kind: string;
        readonly text: string;
      }
    | {
        readonly type: 'tool_start';
        readonly part: number;
        readonly tool_call_id: string;
        readonly name: string;
        readonly input: unknown;
      }
    | {
        readonly type: 'tool_result';
        readonly tool_call_id: string;
        readonly name: string;
        readonly success: boolean;
        readonly output: unknown;
        readonly job_id?: string;
      }
    | {
        readonly type: 'input_request';
        readonly request_id: string;
        readonly prompt: string;
        readonly choices?: readonly string[];
        readonly expires_at?: string;
      }
    | {
        readonly type: 'input';
        readonly request_id: string;
        readonly value: unknown;
        readonly by: string;
      }
    | {
        readonly type: 'complete';
        readonly usage: Message['usage'];
        readonly stop_reason: string | null;
        readonly model: string | null;
      }
    | {
        readonly type: 'error';
        readonly code: string;
        readonly message: string;
        readonly retryable: boolean;
      }
    | { readonly type: 'finalized'; readonly status: Status }
    | { readonly type: 'unknown' }
  );

export type EventType = ThreadEvent['type'];

export interface Snapshot {
  readonly op: 'snapshot';
  readonly thread: string;
  readonly seq: number;
  readonly info: Thread;
  readonly messages: readonly Message[];
  readonly runs: readonly Run[];
}

export type ThreadFrame =
  | Snapshot
  | { readonly op: 'events'; readonly thread: string; readonly events: readonly ThreadEvent[] }
  | { readonly op: 'live'; readonly thread: string; readonly seq: number }
  | { readonly op: 'closed'; readonly thread: string; readonly reason: string }
  | { readonly op: 'error'; readonly thread: string; readonly error: Failure }
  /** Not on the wire: what came of this thread could not be read. */
  | { readonly op: 'misfit'; readonly thread: string; readonly message: string };

export type Frame =
  | ThreadFrame
  | { readonly op: 'error'; readonly thread: null; readonly error: Failure }
  | { readonly op: 'pong' | 'heartbeat' };

/** What was received cannot be meant. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

const ENDS: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled', 'interrupted']);

/** Tell whether nothing more will come of what has this status. */
export function isEnd(status: Status): boolean {
  return ENDS.has(status);
}

/** Join the text parts: what a person would copy. */
export function contentOf(message: Pick<Message, 'parts'>): string {
  return message.parts.map(part => (part.kind === 'text' ? part.text : '')).join('');
}

/** The fields each event must carry, with their types. */
const NEEDED: Readonly<Record<Exclude<EventType, 'unknown'>, Readonly<Record<string, string>>>> = {
  thread: { thread: 'object' },
  message: { message: 'object' },
  status: { phase: 'string' },
  delta: { part: 'number', kind: 'string', text: 'string' },
  tool_start: { part: 'number', tool_call_id: 'string', name: 'string' },
  tool_result: { tool_call_id: 'string', name: 'string', success: 'boolean' },
  input_request: { request_id: 'string', prompt: 'string' },
  input: { request_id: 'string', by: 'string' },
  complete: {},
  error: { code: 'string', message: 'string' },
  finalized: { status: 'string' }
};

export type Fields = Readonly<Record<string, unknown>>;

/** Read a JSON object, or raise ProtocolError saying what it should have been. */
export function asObject(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError(`${what} is not an object.`);
  }
  return value as Fields;
}

function asList(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw new ProtocolError(`${what} is not a list.`);
  }
  return value;
}

function need(fields: Fields, name: string, type: string, what: string): void {
  const value = fields[name];
  const fits =
    type === 'object' ? typeof value === 'object' && value !== null : typeof value === type;
  if (!fits) {
    throw new ProtocolError(`${what} has no ${name} of type ${type}.`);
  }
}

/** Read an event off the wire; of an unknown type only its envelope counts. */
export function parseEvent(value: unknown): ThreadEvent {
  const wire = asObject(value, 'An event');
  need(wire, 'seq', 'number', 'An event');
  need(wire, 'type', 'string', 'An event');
  need(wire, 'at', 'string', 'An event');
  const type = String(wire['type']);
  if (!Object.prototype.hasOwnProperty.call(NEEDED, type)) {
    return { ...wire, type: 'unknown' } as ThreadEvent;
  }
  const needed = NEEDED[type as keyof typeof NEEDED];
  for (const [name, kind] of Object.entries(needed)) {
    need(wire, name, kind, `A ${type} event`);
  }
  if (type === 'message') {
    parseMessage(wire['message']);
  }
  return wire as unknown as ThreadEvent;
}

/** Read a message (of an event, a snapshot or an answer). */
export function parseMessage(value: unknown): Message {
  const wire = asObject(value, 'A message');
  need(wire, 'id', 'string', 'A message');
  need(wire, 'role', 'string', 'A message');
  for (const part of asList(wire['parts'], "A message's parts")) {
    need(asObject(part, 'A part'), 'kind', 'string', 'A part');
  }
  return wire as unknown as Message;
}

/** Read a run. */
export function parseRun(value: unknown): Run {
  const wire = asObject(value, 'A run');
  need(wire, 'id', 'string', 'A run');
  need(wire, 'status', 'string', 'A run');
  return wire as unknown as Run;
}

/** Read the error object of a frame or an answer; whatever it is, something can be said of it. */
export function parseFailure(value: unknown): Failure {
  const wire = typeof value === 'object' && value !== null ? (value as Fields) : {};
  const text = (name: string, otherwise: string) =>
    typeof wire[name] === 'string' ? (wire[name] as string) : otherwise;
  return { code: text('code', 'error'), message: text('message', 'Something went wrong.') };
}

/** Read the answer to GET models. */
export function parseModels(value: unknown): ModelList {
  const wire = asObject(value, 'The list of models');
  const models = asList(wire['models'], 'The models').map(item => {
    const fields = asObject(item, 'A model');
    need(fields, 'id', 'string', 'A model');
    const id = String(fields['id']);
    return {
      id,
      provider: String(fields['provider'] ?? ''),
      label: String(fields['label'] ?? id),
      canned: fields['canned'] === true,
      ready: fields['ready'] !== false
    };
  });
  return { models, default: typeof wire['default'] === 'string' ? wire['default'] : null };
}

/**
 * Read one frame of the socket; null for an op this page does not know.
 *
 * @throws ProtocolError where it is no frame at all.
 */
export function parseFrame(data: string): Frame | null {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw new ProtocolError('A frame is not JSON.');
  }
  const wire = asObject(value, 'A frame');
  if (wire['op'] === 'pong' || wire['op'] === 'heartbeat') {
    return { op: wire['op'] };
  }
  if (wire['op'] === 'error' && typeof wire['thread'] !== 'string') {
    return { op: 'error', thread: null, error: parseFailure(wire['error']) };
  }
  try {
    return parseThreadFrame(wire);
  } catch (error) {
    if (error instanceof ProtocolError && typeof wire['thread'] === 'string') {
      return { op: 'misfit', thread: wire['thread'], message: error.message };
    }
    throw error;
  }
}

function parseThreadFrame(wire: Fields): ThreadFrame | null {
  const what = `A frame ${String(wire['op'])}`;
  const thread = String(wire['thread']);
  switch (wire['op']) {
    case 'events':
      need(wire, 'thread', 'string', what);
      return { op: 'events', thread, events: asList(wire['events'], what).map(parseEvent) };
    case 'snapshot':
      need(wire, 'thread', 'string', what);
      return parseSnapshot(wire);
    case 'live':
      need(wire, 'seq', 'number', what);
      return { op: 'live', thread, seq: Number(wire['seq']) };
    case 'closed':
      return { op: 'closed', thread, reason: String(wire['reason'] ?? '') };
    case 'error':
      return { op: 'error', thread, error: parseFailure(wire['error']) };
    default:
      return null;
  }
}

/** Read a snapshot. */
export function parseSnapshot(wire: Fields): Snapshot {
  need(wire, 'seq', 'number', 'A snapshot');
  need(wire, 'info', 'object', 'A snapshot');
  return {
    op: 'snapshot',
    thread: String(wire['thread']),
    seq: Number(wire['seq']),
    info: wire['info'] as Thread,
    messages: asList(wire['messages'], "A snapshot's messages").map(parseMessage),
    runs: asList(wire['runs'], "A snapshot's runs").map(parseRun)
  };
}
