/** Events of tool calls, numbered as they arrive, and the card that shows them. */
import { act } from 'react';

import { conversation } from '../fakes';
import { arrive, part, show } from '../stage';

const RUN = { thread_id: 't', run_id: 'r', message_id: 'a', attempt: 1 };
export const LATER = '2999-01-01T00:00:00Z';
let seq = 0;

/** Events of the run, numbered after those that have arrived. */
export function next(...events: readonly object[]): object[] {
  return events.map(event => ({
    ...RUN,
    at: new Date(++seq * 1_000).toISOString(),
    seq,
    ...event
  }));
}

export async function begin(...events: readonly object[]): Promise<void> {
  seq = 3;
  await show();
  await arrive([
    ...conversation().slice(0, 3),
    ...next({ type: 'status', phase: 'thinking' }, ...events)
  ]);
}

export const call = (index: number, id: string, change: object = {}) => ({
  type: 'tool_start',
  part: index,
  tool_call_id: id,
  name: 'kernel',
  input: { operation: 'run', code: 'print(1)\nprint(2)' },
  where: 'kernel',
  effect: 'run',
  expires_at: LATER,
  ...change
});
export const asks = (id: string, change: object = {}) => ({
  type: 'input_request',
  request_id: `ask-${id}`,
  kind: 'consent',
  tool_call_id: id,
  prompt: 'May kernel.run be called?',
  choices: ['once', 'thread', 'always', 'no'],
  expires_at: LATER,
  ...change
});
export const waits = { type: 'status', phase: 'waiting', detail: 'tools', until: LATER };
export const allowed = (id: string, consent = 'once', by: string | null = 'local') => ({
  type: 'tool_allowed',
  tool_call_id: id,
  consent,
  by
});
export const claimed = (id: string, executor: string | null = 'kernel of a.ipynb') => ({
  type: 'tool_claimed',
  tool_call_id: id,
  executor
});
export const printed = (id: string, text: string) => ({
  type: 'tool_output',
  tool_call_id: id,
  text
});
export const result = (
  id: string,
  success = true,
  output: unknown = 'rows',
  change: object = {}
) => ({
  type: 'tool_result',
  tool_call_id: id,
  name: 'kernel',
  success,
  output,
  ...change
});

export const card = (): HTMLDetailsElement => part('tool-call') as HTMLDetailsElement;
export const summary = (): string => card().querySelector('summary')?.textContent ?? '';

export async function toggle(node: HTMLDetailsElement, isOpen: boolean): Promise<void> {
  await act(async () => {
    node.open = isOpen;
    node.dispatchEvent(new Event('toggle'));
  });
}

/** The number of the event that comes after those that have arrived, and `ahead` others. */
export function numberAfter(ahead: number): number {
  return seq + ahead + 1;
}
