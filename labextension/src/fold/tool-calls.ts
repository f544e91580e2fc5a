/** The tool calls of a reply: their consents and results, and how far each has come. Pure. */
import { fieldsOf } from '../protocol/fields';
import {
  type AttachmentPart,
  type InputRequestPart,
  type Message,
  type Part,
  type ToolCallPart,
  type ToolResultPart
} from '../protocol/records';

/** An attachment whose bytes the server has. */
export interface StoredPart extends AttachmentPart {
  readonly attachment_id: string;
}

/** A tool call with its result and its consent; each may be missing. */
export interface ToolUse {
  /** The index of its first part. */
  readonly index: number;
  readonly call: ToolCallPart | null;
  readonly result: ToolResultPart | null;
  /** The question whether it may be made. */
  readonly consent: InputRequestPart | null;
}

/**
 * How far a tool call has come.
 *
 *     preparing ─► checking ─► asks ─► waiting ─► running ─► done, failed, interrupted
 *         │            │         └──► refused, expired     (waiting ──► expired)
 *         └► cut       └► waiting, failed
 *
 * A call of a tool that the provider runs itself goes from `preparing` to `running`. `called` is a
 * call without a result in a reply that has ended.
 */
export type ToolState =
  | 'preparing'
  | 'cut'
  | 'checking'
  | 'asks'
  | 'waiting'
  | 'running'
  | 'called'
  | 'done'
  | 'failed'
  | 'refused'
  | 'expired'
  | 'interrupted';

/** The state of a tool call; `hasEnded` tells whether the reply has, so that nothing more comes. */
export function toolState(use: ToolUse, hasEnded: boolean): ToolState {
  const { call, result, consent } = use;
  if (result !== null) {
    return result.success ? 'done' : failedState(use, result);
  }
  if (call?.name === undefined) {
    return hasEnded ? 'cut' : 'preparing';
  }
  if (hasEnded) {
    return 'called';
  }
  if (call.where === undefined || typeof call.executor === 'string') {
    return 'running';
  }
  if (call.allowed !== undefined) {
    return 'waiting';
  }
  return consent !== null && consent.by === null ? 'asks' : 'checking';
}

/** Why a call failed: the server tells; of an older log, what the parts tell. */
function failedState({ call, consent }: ToolUse, result: ToolResultPart): ToolState {
  const reason: unknown = 'reason' in result ? result.reason : null;
  if (reason === 'refused' || reason === 'expired' || reason === 'interrupted') {
    return reason;
  }
  if (call?.allowed !== undefined || call?.where === undefined || consent === null) {
    return 'failed';
  }
  return consent.by === null ? 'expired' : 'refused';
}

/** Whether a call can still change, so that its card stays open. */
export function mayChange(state: ToolState): boolean {
  return ['preparing', 'checking', 'asks', 'waiting', 'running'].includes(state);
}

/** The tool calls among the parts of a reply, in their order. */
export function toolUses(parts: readonly Part[]): readonly ToolUse[] {
  const uses: ToolUse[] = [];
  parts.forEach((part, index) => {
    if (part.kind === 'tool_call') {
      uses.push({ index, call: part, result: null, consent: null });
    } else if (part.kind === 'tool_result' || isConsent(part)) {
      const at = uses.findIndex(use => takes(use, part));
      const use = uses[at];
      if (use !== undefined) {
        uses[at] = joinPart(use, part);
      }
    }
  });
  return uses;
}

/** Whether a part is the question whether a call may be made. */
export function isConsent(part: Part): part is InputRequestPart {
  return part.kind === 'input_request' && part.request_kind === 'consent';
}

/** Whether a result or a consent belongs to a call. */
export function takes({ call, result }: ToolUse, part: ToolResultPart | InputRequestPart): boolean {
  const isOwn = call?.tool_call_id !== undefined && call.tool_call_id === part.tool_call_id;
  return isOwn && (part.kind === 'input_request' || result === null);
}

/** A call with its result, or with the last question about it. */
export function joinPart(use: ToolUse, part: ToolResultPart | InputRequestPart): ToolUse {
  return part.kind === 'tool_result' ? { ...use, result: part } : { ...use, consent: part };
}

/** The files of a call's result, as attachments of a message are. */
export function resultFiles({ result }: ToolUse): readonly StoredPart[] {
  return result === null ? [] : filesOf(result);
}

/** The files of a result; what has another form is left out. */
export function filesOf(result: ToolResultPart): readonly StoredPart[] {
  const files: unknown = result.attachments;
  return (Array.isArray(files) ? (files as readonly unknown[]) : []).flatMap(file => {
    const { id, name, type, size } = fieldsOf(file);
    return typeof id !== 'string' || typeof name !== 'string'
      ? []
      : [
          {
            kind: 'attachment' as const,
            name,
            text: '',
            attachment_id: id,
            ...(typeof type === 'string' ? { type } : {}),
            ...(typeof size === 'number' ? { size } : {})
          }
        ];
  });
}

/** The call of a reply that a person is asked about; undefined if there is none. */
export function askingCall({ parts }: Message, hasEnded: boolean): ToolUse | undefined {
  return toolUses(parts).find(use => toolState(use, hasEnded) === 'asks');
}

/** The name of a call as people read it: with its operation, if it has one. */
export function callName({ call, result }: Pick<ToolUse, 'call' | 'result'>): string {
  const name = call?.name ?? result?.name ?? '';
  const operation = operationOf(call?.input);
  return operation === null ? name : `${name}.${operation}`;
}

/** The operation that an input names; null if it is more than a short plain name (L13). */
export function operationOf(input: unknown): string | null {
  const { operation } = fieldsOf(input);
  return typeof operation === 'string' && /^[\w-]{1,40}$/.test(operation) ? operation : null;
}
