/** The parts of a reply in the order in which they are drawn: tool calls beside their results. Pure. */
import { type ToolUse, isConsent, joinPart, takes } from '../../fold/tool-calls';
import { type Part, type ToolResultPart, type InputRequestPart } from '../../protocol/records';

export type FlowItem =
  | { readonly kind: 'part'; readonly index: number; readonly part: Part }
  | { readonly kind: 'tools'; readonly index: number; readonly uses: readonly ToolUse[] };

type DrawnTools = { kind: 'tools'; index: number; uses: ToolUse[] };

/**
 * Join neighbouring texts, because a new attempt continues the sentence of the one before; put each
 * result and consent beside its call; and group tool calls that nothing stands between.
 */
export function flowOf(parts: readonly Part[]): readonly FlowItem[] {
  const flow: (DrawnTools | Extract<FlowItem, { kind: 'part' }>)[] = [];
  const owners = new Map<string, DrawnTools>();
  parts.forEach((part, index) => {
    const last = flow.at(-1);
    if ((part.kind === 'tool_result' || isConsent(part)) && take(owners, part)) {
      return;
    }
    if (part.kind === 'tool_call' || part.kind === 'tool_result') {
      const group: DrawnTools = last?.kind === 'tools' ? last : { kind: 'tools', index, uses: [] };
      if (group !== last) {
        flow.push(group);
      }
      const isCall = part.kind === 'tool_call';
      const [call, result] = isCall ? [part, null] : [null, part];
      group.uses.push({ index, call, result, consent: null });
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

/** Put a result or a consent beside its call. Returns whether the call is there and takes it. */
function take(
  owners: ReadonlyMap<string, DrawnTools>,
  part: ToolResultPart | InputRequestPart
): boolean {
  const group = owners.get(part.tool_call_id ?? '');
  const at = group?.uses.findIndex(use => takes(use, part)) ?? -1;
  const use = group?.uses[at];
  if (group === undefined || use === undefined) {
    return false;
  }
  group.uses[at] = joinPart(use, part);
  return true;
}
