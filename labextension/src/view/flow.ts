/** The parts of a reply in the order in which they are drawn: tool calls beside their results. Pure. */
import { type Part, type ToolCallPart, type ToolResultPart } from '../protocol';

/** A tool call with its result; one of them may be missing. */
export interface ToolUse {
  /** The index of its first part. */
  readonly index: number;
  readonly call: ToolCallPart | null;
  readonly result: ToolResultPart | null;
}

export type FlowItem =
  | { readonly kind: 'part'; readonly index: number; readonly part: Part }
  | { readonly kind: 'tools'; readonly index: number; readonly uses: readonly ToolUse[] };

type DrawnTools = { kind: 'tools'; index: number; uses: ToolUse[] };

/**
 * Join neighbouring texts, because a new attempt continues the sentence of the one before; put each
 * result beside its call; and group tool calls that nothing stands between.
 */
export function flowOf(parts: readonly Part[]): readonly FlowItem[] {
  const flow: (DrawnTools | Extract<FlowItem, { kind: 'part' }>)[] = [];
  const owners = new Map<string, DrawnTools>();
  parts.forEach((part, index) => {
    const last = flow.at(-1);
    if (part.kind === 'tool_result' && takeResult(owners.get(part.tool_call_id), part)) {
      return;
    }
    if (part.kind === 'tool_call' || part.kind === 'tool_result') {
      const group: DrawnTools = last?.kind === 'tools' ? last : { kind: 'tools', index, uses: [] };
      if (group !== last) {
        flow.push(group);
      }
      const isCall = part.kind === 'tool_call';
      group.uses.push({ index, call: isCall ? part : null, result: isCall ? null : part });
      if (part.tool_call_id !== undefined) {
        owners.set(part.tool_call_id, group);
      }
    } else if (part.kind === 'text' && last?.kind === 'part' && last.part.kind === 'text') {
      const text = last.part.text + part.text;
      flow[flow.length - 1] = { ...last, part: { ...last.part, text } };
    } else {
      flow.push({ kind: 'part', index, part });
    }
  });
  return flow;
}

/** Put a result beside its call. Returns whether the call is there and had none. */
function takeResult(group: DrawnTools | undefined, result: ToolResultPart): boolean {
  const at = group?.uses.findIndex(
    use => use.call?.tool_call_id === result.tool_call_id && use.result === null
  );
  const use = at === undefined ? undefined : group?.uses[at];
  if (group === undefined || at === undefined || use === undefined) {
    return false;
  }
  group.uses[at] = { ...use, result };
  return true;
}

/** How far a tool call has come. */
export type ToolState = 'preparing' | 'cut' | 'running' | 'called' | 'done' | 'failed';

/** The state of a tool call; `hasEnded` tells whether the reply has, so that nothing more comes. */
export function toolState({ call, result }: ToolUse, hasEnded: boolean): ToolState {
  if (result !== null) {
    return result.success ? 'done' : 'failed';
  }
  if (call?.name === undefined) {
    return hasEnded ? 'cut' : 'preparing';
  }
  return hasEnded ? 'called' : 'running';
}
