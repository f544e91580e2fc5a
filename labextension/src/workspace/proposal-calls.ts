/** The proposal that a call makes. Pure. */
import { fieldsOf } from '../fold/tool-calls';
import { type ToolCallPart } from '../protocol/records';
import { MisfitError } from './cell-edits';
import { isProposal } from './open-proposals';
import { type Proposal, parseProposal } from './patches';

/** Read the proposal of a call; null for another call, or if it is none. */
export function proposalOf(call: ToolCallPart | null): Proposal | null {
  if (call === null || !isProposal(call)) {
    return null;
  }
  try {
    return parseProposal(fieldsOf(call.input), call.tool_call_id ?? '');
  } catch (error) {
    if (error instanceof MisfitError) {
      return null; // it fails when it is made, and its input is shown as it is
    }
    throw error;
  }
}
