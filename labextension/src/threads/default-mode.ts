/** The tools of a thread that this page begins, as a person has set them for new chats. Pure. */
import { fieldsOf } from '../fold/tool-calls';
import { asObject } from '../protocol/parse';
import { type ThreadTools, type ToolMode } from '../protocol/records';

/**
 * The tools that a thread on the wire should get: none if it asks anyway, if somebody has chosen its
 * tools, or if it holds an answer already.
 */
export function toolsOfNew(thread: unknown, mode: ToolMode): ThreadTools | null {
  const { head, tools } = asObject(thread, 'A thread');
  const isNew = (head ?? null) === null && tools === undefined;
  return isNew && mode !== 'ask' ? { mode, names: null } : null;
}

/** Whether the tools of a thread are those that it got when it was begun. */
export function isDefault(tools: unknown, mode: ToolMode): boolean {
  const fields = fieldsOf(tools);
  return fields['mode'] === mode && (fields['names'] ?? null) === null;
}
