/** How an answer ended, as the page tells it, and what it offers then. */
import { describe, expect, it } from 'vitest';

import { conversation } from '../fakes';
import { arrive, click, end, has, page, part, show, useStage } from '../stage';

useStage();

const RUN = { thread_id: 't', at: 'x', run_id: 'r', message_id: 'a', attempt: 1 };

type Delta = readonly [part: number, kind: string, text: string];

/** A reply that ends as completed, with these deltas and this stop reason. */
function answered(deltas: readonly Delta[], stopReason: string): object[] {
  const events = [
    ...deltas.map(([part, kind, text]) => ({ ...RUN, type: 'delta', part, kind, text })),
    { ...RUN, type: 'complete', content: '', usage: null, stop_reason: stopReason, model: null },
    { ...RUN, type: 'finalized', status: 'completed' }
  ];
  return [
    ...conversation().slice(0, 4),
    ...events.map((event, index) => ({ ...event, seq: 5 + index }))
  ];
}

describe('the end of an answer', () => {
  it('says that the length limit cut it off, and offers to continue', async () => {
    await show();
    await arrive(answered([[0, 'text', 'First, ']], 'max_tokens'));
    expect(part('outcome').dataset).toMatchObject({ state: 'incomplete', reason: 'max_tokens' });
    expect(part('outcome').textContent).toContain('cut off');
    expect(part('outcome').textContent).toContain('raise max_tokens');
    expect(has('retry')).toBe(true);
    await click('continue');
    expect(page.api.call('POST', 'runs/r/continue').body).toEqual({});
  });

  it('says that nothing was answered after thoughts alone, and why, and offers Retry', async () => {
    await show();
    await arrive(answered([[0, 'reasoning', 'hm']], 'max_tokens'));
    expect(part('outcome').dataset['reason']).toBe('empty');
    expect(part('outcome').textContent).toContain('Nothing was answered');
    expect(part('outcome').textContent).toContain('max_tokens');
    expect(has('continue')).toBe(false);
    expect(has('retry')).toBe(true);
  });

  it.each([
    ['pause_turn', 'paused', true],
    ['model_context_window_exceeded', 'context_window', true]
  ])('is told for %s', async (stopReason, reason, canContinue) => {
    await show();
    await arrive(answered([[0, 'text', 'So far']], stopReason));
    expect(part('outcome').dataset['reason']).toBe(reason);
    expect(has('continue')).toBe(canContinue);
  });

  it.each(['end_turn', 'stop_sequence', 'tool_use', 'a_reason_of_2030'])(
    'is no news where the answer is whole (%s)',
    async stopReason => {
      await show();
      await arrive(answered([[0, 'text', 'Done.']], stopReason));
      expect(has('outcome')).toBe(false);
    }
  );

  it('says of a tool call whose input was cut that it was cut', async () => {
    await show();
    const cut = answered(
      [
        [0, 'text', 'calling'],
        [1, 'tool_input', '{"path": "a.']
      ],
      'max_tokens'
    );
    await arrive(cut.slice(0, 6));
    expect(part('tool-call').textContent).toContain('preparing a call');
    await arrive(cut.slice(6));
    expect(part('tool-call').textContent).toContain('cut off');
    expect(part('tool-call').textContent).not.toContain('preparing');
    expect(part('outcome').dataset['reason']).toBe('tool_input_cut');
    expect(has('continue')).toBe(true);
  });

  it.each(['cancelled', 'interrupted', 'failed'])(
    'leaves no call in preparation where it was %s',
    async status => {
      await show();
      await arrive([
        ...conversation().slice(0, 4),
        { ...RUN, seq: 5, type: 'delta', part: 0, kind: 'tool_input', text: '{"pa' },
        end(6, status)
      ]);
      expect(part('tool-call').textContent).not.toContain('preparing');
    }
  );

  it('shows why the model declined, and offers no way on from there', async () => {
    await show();
    const error = { code: 'refusal', message: 'The model declined: locks.', retryable: false };
    await arrive([
      ...conversation().slice(0, 5),
      { ...RUN, seq: 6, type: 'error', ...error },
      end(7, 'failed')
    ]);
    expect(part('outcome').textContent).toContain('The model declined: locks.');
    expect(has('continue')).toBe(false);
    expect(has('retry')).toBe(true);
  });
});
