/**
 * The one place that checks data of the wire.
 *
 * The functions check the fields that the fold relies on, and return the wire's own objects. Unknown
 * fields stay. An unknown frame becomes null and an unknown event `unknown`, so that an older page
 * works with a newer server.
 */
import { type Fields, fieldsOf, isFields } from './fields';
import {
  type Attachment,
  type Endpoint,
  type EventType,
  type Failure,
  type Frame,
  type Message,
  type ModelList,
  type Parameter,
  type Project,
  type Run,
  type SavedCopy,
  type Snapshot,
  type Thread,
  type ThreadEvent,
  type ThreadFrame,
  type ThreadRow,
  isOfThread
} from './records';

/** Received data that breaks the protocol. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** The fields that an event of each type must have, and their types. */
const NEEDED: Readonly<Record<Exclude<EventType, 'unknown'>, Readonly<Record<string, string>>>> = {
  thread: { thread: 'object' },
  message: { message: 'object' },
  status: { phase: 'string' },
  delta: { part: 'number', kind: 'string', text: 'string' },
  tool_start: { part: 'number', tool_call_id: 'string', name: 'string' },
  tool_allowed: { tool_call_id: 'string', consent: 'string' },
  tool_claimed: { tool_call_id: 'string' },
  tool_output: { tool_call_id: 'string', text: 'string' },
  note: { text: 'string' },
  tool_result: { tool_call_id: 'string', name: 'string', success: 'boolean' },
  input_request: { request_id: 'string', prompt: 'string' },
  input: { request_id: 'string', by: 'string' },
  complete: {},
  error: { code: 'string', message: 'string' },
  finalized: { status: 'string' }
};

/** Read a JSON object. @throws ProtocolError with `subject` as the subject of its message. */
export function asObject(value: unknown, subject: string): Fields {
  if (!isFields(value)) {
    throw new ProtocolError(`${subject} is not an object.`);
  }
  return value;
}

function asList(value: unknown, subject: string): readonly unknown[] {
  if (!Array.isArray(value)) {
    throw new ProtocolError(`${subject} is not a list.`);
  }
  return value;
}

function requireField(fields: Fields, name: string, type: string, subject: string): void {
  const value = fields[name];
  const hasType =
    type === 'object' ? typeof value === 'object' && value !== null : typeof value === type;
  if (!hasType) {
    throw new ProtocolError(`${subject} has no ${name} of type ${type}.`);
  }
}

/** Read an event. Of an unknown type, only the fields that all events share are checked. */
export function parseEvent(value: unknown): ThreadEvent {
  const wire = asObject(value, 'An event');
  requireField(wire, 'seq', 'number', 'An event');
  requireField(wire, 'type', 'string', 'An event');
  requireField(wire, 'at', 'string', 'An event');
  const type = String(wire['type']);
  if (!Object.prototype.hasOwnProperty.call(NEEDED, type)) {
    return { ...wire, type: 'unknown' } as ThreadEvent;
  }
  const types = NEEDED[type as keyof typeof NEEDED];
  for (const [name, kind] of Object.entries(types)) {
    requireField(wire, name, kind, `A ${type} event`);
  }
  if (type === 'message') {
    parseMessage(wire['message']);
  }
  return wire as unknown as ThreadEvent;
}

/** Read a message. */
function parseMessage(value: unknown): Message {
  const wire = asObject(value, 'A message');
  requireField(wire, 'id', 'string', 'A message');
  requireField(wire, 'role', 'string', 'A message');
  for (const part of asList(wire['parts'], "A message's parts")) {
    requireField(asObject(part, 'A part'), 'kind', 'string', 'A part');
  }
  return wire as unknown as Message;
}

/** Read a run. */
function parseRun(value: unknown): Run {
  const wire = asObject(value, 'A run');
  requireField(wire, 'id', 'string', 'A run');
  requireField(wire, 'status', 'string', 'A run');
  return wire as unknown as Run;
}

/** Read the error object of a frame or a response; missing fields get a default. */
export function parseFailure(value: unknown): Failure {
  const wire = fieldsOf(value);
  return {
    code: textOf(wire, 'code', 'error'),
    message: textOf(wire, 'message', 'The server gave no reason.')
  };
}

/** The text of a field; `fallback` if the field is missing or no text. */
export function textOf(wire: Fields, name: string, fallback: string): string {
  const value = wire[name];
  return typeof value === 'string' ? value : fallback;
}

/** The text of a field; null if the field is missing or no text. */
export function textOrNull(wire: Fields, name: string): string | null {
  const value = wire[name];
  return typeof value === 'string' ? value : null;
}

/** The number of a field; null if the field is missing or no number. */
function numberOrNull(wire: Fields, name: string): number | null {
  const value = wire[name];
  return typeof value === 'number' ? value : null;
}

/** The texts of a list; other values are left out. An older server has no such field. */
function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : [];
}

/** The objects of a list; other values are left out. */
export function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}

/** Read a model's parameters; a kind of a newer server is left out, as it cannot be drawn. */
function parametersOf(value: unknown): readonly Parameter[] {
  const parameters: Parameter[] = [];
  for (const wire of listOf(value)) {
    const name = textOrNull(wire, 'name');
    const kind = wire['kind'];
    if (name !== null && (kind === 'choice' || kind === 'number' || kind === 'whole')) {
      const choices = textsOf(wire['choices']);
      const [least, most] = [numberOrNull(wire, 'least'), numberOrNull(wire, 'most')];
      parameters.push({ name, kind, choices, least, most });
    }
  }
  return parameters;
}

function endpointsOf(value: unknown): readonly Endpoint[] {
  return listOf(value).map(wire => ({
    name: textOf(wire, 'name', ''),
    title: textOf(wire, 'title', textOf(wire, 'name', '')),
    is_local: wire['is_local'] === true,
    needs_key: wire['needs_key'] === true,
    has_key: wire['has_key'] === true,
    can_set_key: wire['can_set_key'] === true,
    where_key: textOrNull(wire, 'where_key'),
    error: textOrNull(wire, 'error')
  }));
}

/** Read the response to POST attachments. */
export function parseAttachment(value: unknown): Attachment {
  const wire = asObject(value, 'An attachment');
  for (const name of ['id', 'name', 'type', 'sha256']) {
    requireField(wire, name, 'string', 'An attachment');
  }
  requireField(wire, 'size', 'number', 'An attachment');
  return wire as unknown as Attachment;
}

/** Read the largest size of an attachment from the response to GET status. */
export function parseMaxBytes(value: unknown): number | null {
  const maxBytes = asObject(value, 'The status')['max_attachment_bytes'];
  return typeof maxBytes === 'number' ? maxBytes : null;
}

/** Read the response to GET models. */
export function parseModels(value: unknown): ModelList {
  const wire = asObject(value, 'The list of models');
  const models = asList(wire['models'], 'The models').map(item => {
    const fields = asObject(item, 'A model');
    requireField(fields, 'id', 'string', 'A model');
    const id = String(fields['id']);
    return {
      id,
      provider: textOf(fields, 'provider', ''),
      endpoint: textOrNull(fields, 'endpoint'),
      label: textOf(fields, 'label', id),
      can: textsOf(fields['can']),
      context_tokens: numberOrNull(fields, 'context_tokens') ?? 0,
      parameters: parametersOf(fields['parameters']),
      canned: fields['canned'] === true,
      ready: fields['ready'] !== false,
      error: textOrNull(fields, 'error')
    };
  });
  return {
    models,
    endpoints: endpointsOf(wire['endpoints']),
    default: textOrNull(wire, 'default')
  };
}

/** Read a row of the list of threads. An older server has no marks. */
export function parseRow(value: unknown): ThreadRow {
  const wire = asObject(value, 'A row');
  requireField(wire, 'id', 'string', 'A row');
  requireField(wire, 'updated_at', 'string', 'A row');
  return {
    id: String(wire['id']),
    name: textOrNull(wire, 'name'),
    title: textOrNull(wire, 'title'),
    project: textOf(wire, 'project', ''),
    model: textOrNull(wire, 'model'),
    head: textOrNull(wire, 'head'),
    archived: wire['archived'] === true,
    deleted: wire['deleted'] === true,
    created_at: textOf(wire, 'created_at', String(wire['updated_at'])),
    updated_at: String(wire['updated_at']),
    seq: numberOrNull(wire, 'seq') ?? 0,
    unread: numberOrNull(wire, 'unread') ?? 0,
    busy: wire['busy'] === true,
    asks: wire['asks'] === true,
    pinned: wire['pinned'] === true
  };
}

/** Read the response to GET projects. */
export function parseProjects(value: unknown): readonly Project[] {
  return listOf(asObject(value, 'The projects')['projects']).map(wire => ({
    project: textOf(wire, 'project', ''),
    threads: numberOrNull(wire, 'threads') ?? 0,
    updated_at: textOf(wire, 'updated_at', '')
  }));
}

/** Read the response to GET threads/{id}/copy. @throws ProtocolError */
export function parseSavedCopy(value: unknown): SavedCopy {
  const wire = asObject(value, 'A saved copy');
  requireField(wire, 'seq', 'number', 'A saved copy');
  requireField(wire, 'markdown', 'string', 'A saved copy');
  requireField(wire, 'plain', 'string', 'A saved copy');
  return wire as unknown as SavedCopy;
}

/**
 * Read one frame of the socket; null for an op this page does not know.
 *
 * @throws ProtocolError if the data is no frame.
 */
export function parseFrame(data: string): Frame | null {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw new ProtocolError('A frame is not JSON.');
  }
  return readFrame(value);
}

/**
 * Read the response to a poll as the frames that a socket would have sent; the last one is `live`.
 *
 * @throws ProtocolError if the value is no page of events.
 */
export function parsePage(thread: string, value: unknown): readonly ThreadFrame[] {
  const wire = asObject(value, 'A page');
  requireField(wire, 'seq', 'number', 'A page');
  const content =
    wire['snapshot'] === undefined
      ? { op: 'events', thread, events: wire['events'] }
      : { ...asObject(wire['snapshot'], 'A snapshot'), op: 'snapshot', thread };
  const frame = readFrame(content);
  const live: ThreadFrame = { op: 'live', thread, seq: Number(wire['seq']) };
  return frame !== null && isOfThread(frame) ? [frame, live] : [live];
}

function readFrame(value: unknown): Frame | null {
  const wire = asObject(value, 'A frame');
  if (wire['op'] === 'pong' || wire['op'] === 'heartbeat') {
    return { op: wire['op'] };
  }
  if (wire['op'] === 'watching') {
    return { op: 'watching' };
  }
  if (wire['op'] === 'thread') {
    return { op: 'thread', thread: parseRow(wire['thread']) };
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
  const subject = `A frame ${String(wire['op'])}`;
  const thread = String(wire['thread']);
  switch (wire['op']) {
    case 'events':
      requireField(wire, 'thread', 'string', subject);
      return { op: 'events', thread, events: asList(wire['events'], subject).map(parseEvent) };
    case 'snapshot':
      requireField(wire, 'thread', 'string', subject);
      return parseSnapshot(wire);
    case 'preview':
      requireField(wire, 'thread', 'string', subject);
      return { ...parseSnapshot(wire), op: 'preview' };
    case 'live':
      requireField(wire, 'seq', 'number', subject);
      return { op: 'live', thread, seq: Number(wire['seq']) };
    case 'closed':
      return { op: 'closed', thread, reason: textOf(wire, 'reason', '') };
    case 'error':
      if (wire['to'] === 'offer') {
        console.warn('The server did not take the tools of this page:', wire['error']);
        return null; // it ends no subscription
      }
      return { op: 'error', thread, error: parseFailure(wire['error']) };
    default:
      return null;
  }
}

/** Read a snapshot. */
export function parseSnapshot(wire: Fields): Snapshot {
  requireField(wire, 'seq', 'number', 'A snapshot');
  requireField(wire, 'info', 'object', 'A snapshot');
  return {
    op: 'snapshot',
    thread: String(wire['thread']),
    seq: Number(wire['seq']),
    info: wire['info'] as Thread,
    messages: asList(wire['messages'], "A snapshot's messages").map(parseMessage),
    runs: asList(wire['runs'], "A snapshot's runs").map(parseRun)
  };
}
