/** The tools of a new thread, by the person's settings. Pure. */
import { fieldsOf } from '../protocol/fields';
import { asObject } from '../protocol/parse';
import { type ThreadTools, type ToolMode } from '../protocol/records';

/**
 * The tools that a new thread should get; null if the mode is the server's default, if a person has chosen
 * the thread's tools, or if the thread has an answer already.
 */
export function toolsOfNew(thread: unknown, mode: ToolMode): ThreadTools | null {
  const { head, tools } = asObject(thread, 'A thread');
  const isNew = (head ?? null) === null && tools === undefined;
  return isNew && mode !== 'ask' ? { mode, names: null } : null;
}

/** Whether the tools of a thread are still the defaults of the person's settings. */
export function isDefault(tools: unknown, mode: ToolMode): boolean {
  const fields = fieldsOf(tools);
  return fields['mode'] === mode && (fields['names'] ?? null) === null;
}
