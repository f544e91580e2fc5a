// @vitest-environment node
import { describe, expect, it } from 'vitest';

import { branch } from '../../src/fold/branch';
import { runFor, scheduledMessages } from '../../src/fold/unsent';
import { type Message } from '../../src/protocol/records';
import { vector } from '../vectors';

describe('a scheduled message', () => {
  it('is on no branch before its time, and at the end of one after', () => {
    const waiting = vector('later_waiting');
    const later = scheduledMessages(waiting).map(({ message }) => message.id);
    expect(later.length).toBe(1);
    expect(branch(waiting).some(message => later.includes(message.id))).toBe(false);
    expect(scheduledMessages(waiting)[0]?.run.wake_at).not.toBeNull();

    const delivered = vector('later_delivered');
    expect(scheduledMessages(delivered)).toEqual([]);
    expect(branch(delivered).at(-1)?.role).toBe('assistant');
    expect(branch(delivered).at(-2)?.status).toBe('completed');
  });

  it('has its run until it is cancelled, and is then never sent', () => {
    const waiting = vector('later_waiting');
    const { message, run } = scheduledMessages(waiting)[0] ?? {};
    expect(runFor(waiting, message as Message)).toBe(run);
    const cancelled = vector('later_cancelled');
    expect(scheduledMessages(cancelled)).toEqual([]);
    expect(branch(cancelled).some(one => one.status === 'cancelled')).toBe(false);
  });
});
