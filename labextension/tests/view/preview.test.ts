import { act } from 'react';
import { describe, expect, it } from 'vitest';

import { flushPromises } from '../fakes';
import { host, page, part, show, useStage } from '../stage';

useStage();

const THREAD = { id: 't', name: null, title: null, model: 'm', deleted: false, updated_at: 'x' };

function exchange(number: number): object[] {
  const common = { thread_id: 't', kind: 'chat', usage: null, stop_reason: null, error: null };
  const parts = (text: string) => [{ kind: 'text', text: `${text} ${number}` }];
  const question = { id: `q${number}`, role: 'user', run_id: null, model: null };
  const reply = { id: `a${number}`, role: 'assistant', run_id: `r${number}`, model: 'm' };
  const before = number === 1 ? null : `a${number - 1}`;
  return [
    { ...common, ...question, parts: parts('Question'), parent_id: before },
    { ...common, ...reply, parts: parts('Answer'), parent_id: `q${number}` }
  ].map(message => ({ ...message, status: 'completed', seq: number, created_at: 'x' }));
}

/** A frame with the exchanges from one number to another. */
function frame(op: string, from: number, to: number, head = `a${to}`): object {
  const numbers = Array.from({ length: to - from + 1 }, (_, at) => from + at);
  const messages = numbers.flatMap(exchange);
  return { op, thread: 't', seq: 9, info: { ...THREAD, head }, messages, runs: [] };
}

async function receive(...frames: object[]): Promise<void> {
  await act(async () => {
    if (!page.network.connection.isOpen) {
      page.network.socket.open();
    }
    frames.forEach(one => page.network.socket.receive(one));
    page.frame();
    await flushPromises();
  });
}

const shown = (): string[] =>
  [...host.querySelectorAll('[data-testid=content]')].map(node => node.textContent ?? '');

describe('the preview of a long thread', () => {
  it('is drawn at once, and its rows stay when all of the thread is there', async () => {
    await show();
    await receive(frame('preview', 3, 4));
    expect(shown()).toEqual(['Question 3', 'Answer 3', 'Question 4', 'Answer 4']);
    const row = host.querySelector('[data-row=a4]');
    expect(page.network.socket.sent).toContainEqual({
      op: 'subscribe',
      thread: 't',
      after: 0,
      preview: true
    });
    await receive(frame('snapshot', 1, 4));
    expect(shown()).toHaveLength(4);
    await receive({ op: 'live', thread: 't', seq: 9 });
    expect(shown()[0]).toBe('Question 1');
    expect(shown()).toHaveLength(8);
    expect(host.querySelector('[data-row=a4]')).toBe(row);
    expect(part('live').dataset['link']).toBe('live');
  });

  it('tells the mode of the tools, which no person can set until all of the thread is there', async () => {
    const tools = { mode: 'read_only', names: [] };
    const early = frame('preview', 3, 4) as { info: object };
    await show();
    await receive({ ...early, info: { ...early.info, tools } });
    const button = part('tools') as HTMLButtonElement;
    expect([button.title, button.disabled]).toEqual(['Tools: Read only', true]);
  });

  it('moves no cursor, so a broken socket brings the thread from its beginning (L6)', async () => {
    await show();
    await receive(frame('preview', 3, 4));
    page.network.socket.close();
    page.network.clock.turn(1_000);
    await receive();
    expect(page.network.socket.sent.at(-1)).toMatchObject({ op: 'subscribe', after: 0 });
  });

  it('is not drawn if it does not hold the branch, the run or the message that is read', async () => {
    await show();
    await receive(frame('preview', 3, 4, 'a1'));
    expect(shown()).toEqual([]);
    expect(part('empty').textContent).toContain('Opening');
    await show({ runId: 'r1' });
    await receive(frame('preview', 3, 4));
    expect(shown()).toEqual([]);
    await show({ runId: 'r3' });
    expect(shown()).toEqual(['Question 3', 'Answer 3']);
    await show({ target: { messageId: 'a1' } });
    expect(shown()).toEqual([]);
    await show({ target: { messageId: 'a3' } });
    expect(shown()).toHaveLength(4);
  });
});
