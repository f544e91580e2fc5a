/** The proposal that a call makes. Pure. */
import { fieldsOf } from '../protocol/fields';
import { type ToolCallPart } from '../protocol/records';
import { MisfitError } from './cell-edits';
import { isProposal } from './open-proposals';
import { type Proposal, parseProposal } from './patches';

/** Read the proposal of a call; null for other calls and for an invalid proposal. */
export function proposalOf(call: ToolCallPart | null): Proposal | null {
  if (call === null || !isProposal(call)) {
    return null;
  }
  try {
    return parseProposal(fieldsOf(call.input), call.tool_call_id ?? '');
  } catch (error) {
    if (error instanceof MisfitError) {
      return null; // the call will fail, and its card shows the raw input
    }
    throw error;
  }
}
