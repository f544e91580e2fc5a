/**
 * Builds: the runs that make components for tool calls, beside the thread's queue. Pure.
 *
 * A call or a result names its build by `job_id`, which is the id of a run of the same thread.
 */
import { fieldsOf } from '../protocol/fields';
import { type Attachment, type Message, type Run, isEnd } from '../protocol/records';
import { type ToolUse, toolState, toolUses } from './tool-calls';
import { type Transcript } from './transcript';

const BUILD_TOOL = 'build_component';
const PYTHON = 'text/x-python';

/** How far a build has come; `version` counts from 1. */
export interface BuildView {
  readonly step: 'queued' | 'writing' | 'asks' | 'trying' | 'built' | 'stopped' | 'failed';
  readonly version: number;
}

/** By message: the builds that it names. A message that changes is a new object. */
const NAMED = new WeakMap<Message, readonly string[]>();

/** The ids of the builds that the calls of a message have begun. */
export function buildsOf(message: Message): readonly string[] {
  const cachedIds = NAMED.get(message);
  if (cachedIds !== undefined) {
    return cachedIds;
  }
  const ids = new Set<string>();
  for (const part of message.parts) {
    if (part.kind === 'tool_call' || part.kind === 'tool_result') {
      ids.add(part.job_id ?? '');
    }
  }
  ids.delete('');
  const list = [...ids];
  NAMED.set(message, list);
  return list;
}

/** The ids of all builds of a thread. */
export function buildIds({ messages }: Transcript): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const message of messages.values()) {
    for (const id of message.role === 'assistant' ? buildsOf(message) : []) {
      ids.add(id);
    }
  }
  return ids;
}

/** The replies with those of builds last: Stop stops an answer before a build beside it. */
export function answersFirst(
  transcript: Transcript,
  replies: readonly Message[]
): readonly Message[] {
  if (replies.length < 2) {
    return replies;
  }
  const ids = buildIds(transcript);
  const isBuild = ({ run_id }: Message): boolean => run_id !== null && ids.has(run_id);
  return [...replies.filter(reply => !isBuild(reply)), ...replies.filter(isBuild)];
}

/** The build of a call; null if it has none. */
export function jobOf({ call, result }: ToolUse): string | null {
  return result?.job_id ?? call?.job_id ?? null;
}

/** How far a build has come; null while the page does not know it. */
export function buildView(transcript: Transcript, jobId: string): BuildView | null {
  const run = transcript.runs.get(jobId);
  const message = run === undefined ? undefined : transcript.messages.get(run.message_id);
  return run === undefined || message === undefined ? null : viewOf(run, message);
}

function viewOf(run: Run, message: Message): BuildView {
  const hasEnded = isEnd(run.status);
  const tries = toolUses(message.parts).filter(({ call }) => call?.where !== undefined);
  const last = tries.at(-1);
  const version = Math.max(1, tries.length);
  if (hasEnded) {
    const isBuilt = run.status === 'completed' && last?.result?.success === true;
    const step = isBuilt ? 'built' : run.status === 'cancelled' ? 'stopped' : 'failed';
    return { step, version };
  }
  if (last === undefined || last.result !== null) {
    const isQueued = run.phase === 'queued' && tries.length === 0;
    return { step: isQueued ? 'queued' : 'writing', version: tries.length + 1 };
  }
  return { step: toolState(last, false) === 'asks' ? 'asks' : 'trying', version };
}

/** A component that a call has made: its file, and its code where the call has it. */
export interface Product {
  readonly file: Attachment;
  /** Null: the code has to be read from the file. */
  readonly code: string | null;
}

/** The component that a call has made; null if it has made none. */
export function productOf({ call, result }: ToolUse): Product | null {
  if (result?.success !== true || result.name !== BUILD_TOOL) {
    return null;
  }
  const file = result.attachments?.find(attachment => attachment.type === PYTHON);
  const { code } = fieldsOf(call?.input);
  return file === undefined ? null : { file, code: typeof code === 'string' ? code : null };
}
