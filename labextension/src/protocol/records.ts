/**
 * The types of the wire. docs/protocol.md is normative. Only `parse.ts` gives these types to data.
 */

import {
  type FailedFor,
  type ToolAllowance,
  type ToolEffect,
  type ThreadTools,
  type ToolWhere
} from './tool-records';

export type * from './model-records';
export type * from './tool-records';

export type MessageStatus =
  'pending' | 'processing' | 'waiting' | 'completed' | 'failed' | 'cancelled' | 'interrupted';

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
}

export interface Thread {
  readonly id: string;
  readonly name: string | null;
  /** The absolute path of the notebook's folder; empty if there is none. */
  readonly project: string;
  readonly title: string | null;
  readonly model: string | null;
  readonly head: string | null;
  readonly deleted: boolean;
  readonly updated_at: string;
  /** The parameters of its messages; absent until someone sets them. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** The tools of its messages; absent until someone sets them. */
  readonly tools?: ThreadTools;
}

/** A text of a thread in which all words of a search are. */
export interface ThreadMatch {
  /** Null for a match in the thread's title or name. */
  readonly message_id: string | null;
  /** Plain text around the match, in one line. */
  readonly snippet: string;
  /** What matched in the snippet: pairs of first and end. */
  readonly ranges: readonly (readonly [number, number])[];
}

/** A row of the list of threads: the thread, its state, and this person's marks. */
export interface ThreadRow {
  readonly id: string;
  readonly name: string | null;
  readonly title: string | null;
  /** The absolute path of the notebook's folder; empty if there is none. */
  readonly project: string;
  readonly model: string | null;
  readonly head: string | null;
  readonly archived: boolean;
  readonly deleted: boolean;
  readonly created_at: string;
  readonly updated_at: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly tools?: ThreadTools;
  /** The last seq of the thread's log. */
  readonly seq: number;
  /** Answers that ended after this person read; 99 means 99 or more. */
  readonly unread: number;
  /** Whether a run is pending, processing or retrying. */
  readonly busy: boolean;
  /** Whether a run waits for a person's answer to its question. */
  readonly asks: boolean;
  readonly pinned: boolean;
  /** Where a search found its words; absent without a search. */
  readonly matches?: readonly ThreadMatch[];
}

/** A project, with the number of this person's threads in it. */
export interface Project {
  readonly project: string;
  readonly threads: number;
  readonly updated_at: string;
}

export interface TextPart {
  readonly kind: 'text' | 'reasoning';
  readonly text: string;
}

export interface ToolCallPart {
  readonly kind: 'tool_call';
  /** The JSON received so far; absent once the input is complete. */
  readonly text?: string;
  readonly tool_call_id?: string;
  readonly name?: string;
  readonly input?: unknown;
  /** Absent of a tool that the provider runs itself. */
  readonly where?: ToolWhere;
  readonly effect?: ToolEffect;
  /** Without a result by this time, the call fails. */
  readonly expires_at?: string;
  readonly allowed?: ToolAllowance;
  /** The process that makes the call, in words for people; null once it has let go. */
  readonly executor?: string | null;
  /** The build that the call waits for. */
  readonly job_id?: string;
  /** What the call has written so far. */
  readonly progress?: string;
}

export interface ToolResultPart {
  readonly kind: 'tool_result';
  readonly tool_call_id: string;
  readonly name: string;
  readonly success: boolean;
  readonly output: unknown;
  readonly job_id?: string;
  /** Why a call that nobody made has failed; absent of a result that an executor gave. */
  readonly reason?: FailedFor;
  /** The files of the result; absent if there are none. */
  readonly attachments?: readonly Attachment[];
}

export interface InputRequestPart {
  readonly kind: 'input_request';
  readonly request_id: string;
  readonly prompt: string;
  readonly choices: readonly string[] | null;
  readonly expires_at: string | null;
  readonly value: unknown;
  readonly by: string | null;
  /** `consent` of a question whether a tool call may be made; else absent. */
  readonly request_kind?: 'question' | 'consent';
  /** The call that the question is about. */
  readonly tool_call_id?: string;
}

export interface AttachmentPart {
  readonly kind: 'attachment';
  readonly name: string;
  /** What a model reads of it; empty if a model reads the bytes. */
  readonly text: string;
  readonly attachment_id?: string;
  /** The media type of the bytes. */
  readonly type?: string;
  /** The number of bytes. */
  readonly size?: number;
}

/** An attachment that the server has, without its bytes. */
export interface Attachment {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly sha256: string;
}

/** A sentence of the chat itself about an answer. */
export interface NotePart {
  readonly kind: 'note';
  readonly text: string;
}

export type Part =
  TextPart | ToolCallPart | ToolResultPart | InputRequestPart | AttachmentPart | NotePart;

/** What a completed answer lacks. */
export interface Incomplete {
  readonly reason: 'max_tokens' | 'context_window' | 'paused' | 'empty' | 'tool_input_cut';
  readonly message: string;
}

/** A message without `content` and `incomplete`: those are derived, see `fold/endings.ts`. */
export interface Message {
  readonly id: string;
  readonly thread_id: string;
  readonly role: 'user' | 'assistant';
  readonly kind: string;
  readonly status: MessageStatus;
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
  readonly status: MessageStatus;
  readonly phase: string | null;
  readonly attempt: number;
  readonly model: string | null;
  readonly error: Failure | null;
  readonly continues: string | null;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly first_event_at: string | null;
  readonly ended_at: string | null;
  readonly wake_at: string | null;
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
        /** Of the reply to a scheduled message: when that message is delivered. */
        readonly deliver_at?: string;
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
        readonly where?: ToolWhere;
        readonly effect?: ToolEffect;
        readonly expires_at?: string;
      }
    | {
        readonly type: 'tool_allowed';
        readonly tool_call_id: string;
        readonly consent: ToolAllowance['consent'];
        readonly by: string | null;
        readonly accepted?: readonly string[];
      }
    | {
        readonly type: 'tool_claimed';
        readonly tool_call_id: string;
        readonly executor: string | null;
        readonly job_id?: string;
      }
    | { readonly type: 'tool_output'; readonly tool_call_id: string; readonly text: string }
    | {
        readonly type: 'tool_result';
        readonly tool_call_id: string;
        readonly name: string;
        readonly success: boolean;
        readonly output: unknown;
        readonly job_id?: string;
        readonly reason?: FailedFor;
        readonly attachments?: readonly Attachment[];
      }
    | { readonly type: 'note'; readonly text: string }
    | {
        readonly type: 'input_request';
        readonly request_id: string;
        readonly prompt: string;
        readonly choices?: readonly string[];
        readonly expires_at?: string;
        /** Absent for a question of the model. */
        readonly kind?: 'question' | 'consent';
        readonly tool_call_id?: string;
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
    | {
        readonly type: 'finalized';
        readonly status: MessageStatus;
        readonly usage?: Message['usage'];
      }
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

/** The text that a notebook file keeps of a thread, at one seq. */
export interface SavedCopy {
  readonly seq: number;
  readonly markdown: string;
  readonly plain: string;
}

/** The newest messages of a long thread, with their runs, before the frames that bring all of it. */
export interface Preview {
  readonly op: 'preview';
  readonly thread: string;
  readonly seq: number;
  readonly info: Thread;
  readonly messages: readonly Message[];
  readonly runs: readonly Run[];
}

export type ThreadFrame =
  | Snapshot
  | Preview
  | { readonly op: 'events'; readonly thread: string; readonly events: readonly ThreadEvent[] }
  | { readonly op: 'live'; readonly thread: string; readonly seq: number }
  | { readonly op: 'closed'; readonly thread: string; readonly reason: string }
  | { readonly op: 'error'; readonly thread: string; readonly error: Failure }
  /** Not on the wire: a frame of this thread that could not be read. */
  | { readonly op: 'misfit'; readonly thread: string; readonly message: string };

/** The frames of a socket that watches the list of threads. */
export type ListFrame =
  { readonly op: 'watching' } | { readonly op: 'thread'; readonly thread: ThreadRow };

export type Frame =
  | ThreadFrame
  | ListFrame
  | { readonly op: 'error'; readonly thread: null; readonly error: Failure }
  | { readonly op: 'pong' | 'heartbeat' };

const ENDS: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled', 'interrupted']);

/** Whether a message or run with this status has ended. */
export function isEnd(status: MessageStatus): boolean {
  return ENDS.has(status);
}

/** Whether a frame belongs to one thread. */
export function isOfThread(frame: Frame): frame is ThreadFrame {
  return 'thread' in frame && typeof frame.thread === 'string';
}

/** Whether a frame belongs to the list of threads. */
export function isOfList(frame: Frame): frame is ListFrame {
  return frame.op === 'watching' || frame.op === 'thread';
}
