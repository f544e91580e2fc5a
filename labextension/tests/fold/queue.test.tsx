import { act } from 'react';
import { describe, expect, it } from 'vitest';

import { ApiError } from '../../src/connection/api';
import { queuedMessages } from '../../src/fold/queue';
import { EMPTY, fold } from '../../src/fold/transcript';
import { parseEvent } from '../../src/protocol/parse';
import { conversation, flushPromises } from '../fakes';
import { arrive, click, end, has, host, page, part, press, show, type, useStage } from '../stage';

useStage();

/** The events of an answer under way, and of messages that were sent meanwhile. */
function busy(...texts: readonly string[]): object[] {
  const events: object[] = conversation().slice(0, 5);
  let parent = 'a';
  texts.forEach((text, index) => {
    const n = index + 2;
    events.push(
      message(`q${n}`, parent, events.length + 1, { role: 'user', text }),
      message(`a${n}`, `q${n}`, events.length + 2, { role: 'assistant', run: `r${n}` })
    );
    parent = `a${n}`;
  });
  return events;
}

function message(
  id: string,
  parent_id: string | null,
  seq: number,
  facts: { role: string; text?: string; run?: string; status?: string }
): object {
  const { role, text, run, status } = facts;
  return {
    seq,
    type: 'message',
    thread_id: 't',
    at: 'x',
    ...(run === undefined ? {} : { run_id: run, message_id: id }),
    message: {
      id,
      thread_id: 't',
      role,
      kind: 'chat',
      status: status ?? (role === 'user' ? 'completed' : 'pending'),
      parts: text === undefined ? [] : [{ kind: 'text', text }],
      model: null,
      usage: null,
      stop_reason: null,
      error: null,
      run_id: run ?? null,
      parent_id,
      created_at: 'x'
    }
  };
}

const finish = (seq: number) => end(seq, 'completed');
const texts = () =>
  [...host.querySelectorAll('[data-testid=queued-text]')].map(node => node.textContent);
const questions = () =>
  [...host.querySelectorAll('[data-testid=message-user]')].map(
    node => (node as HTMLElement).dataset['messageId']
  );
const queueOf = (events: readonly object[]) =>
  queuedMessages(fold(EMPTY, events.map(parseEvent))).map(({ message }) => message.id);

describe('the queue', () => {
  it('holds what was sent meanwhile, in its order, until its turn', () => {
    const events = busy('two', 'three');
    expect(queueOf(events)).toEqual(['q2', 'q3']);
    expect(queueOf([...events, finish(10)])).toEqual(['q3']);
    expect(queueOf(conversation().slice(0, 3))).toEqual([]);
  });

  it('leaves out what is for later, and what answers an older message again', () => {
    const events = busy('two');
    const later = message('q9', null, 8, { role: 'user', text: 'later', status: 'waiting' });
    const reply = message('a9', 'q9', 9, { role: 'assistant', run: 'r9', status: 'waiting' });
    const again = message('b', 'q', 10, { role: 'assistant', run: 'again' });
    expect(queueOf([...events, later, reply, again])).toEqual(['q2']);
  });

  it('goes by the order in which runs joined, not by that of the messages', () => {
    const events = [
      ...conversation().slice(0, 5),
      message('q9', null, 6, { role: 'user', text: 'later', status: 'waiting' }),
      message('a9', 'q9', 7, { role: 'assistant', run: 'r9', status: 'waiting' }),
      message('q2', 'a', 8, { role: 'user', text: 'two' }),
      message('a2', 'q2', 9, { role: 'assistant', run: 'r2' }),
      message('q9', 'a2', 10, { role: 'user', text: 'later' }),
      message('a9', 'q9', 11, { role: 'assistant', run: 'r9' })
    ];
    expect(queueOf(events)).toEqual(['q2', 'q9']);
  });

  it('stands above the composer, and not in the log', async () => {
    await show();
    await arrive(busy('two', 'three'));
    expect(texts()).toEqual(['two', 'three']);
    expect(questions()).toEqual(['q']);
    expect(part('queue').textContent).toContain('2 messages in the queue');
    await arrive([finish(10)]);
    expect(texts()).toEqual(['three']);
    expect(questions()).toEqual(['q', 'q2']);
  });
});

describe('a queued message', () => {
  it('is withdrawn, and goes when the log tells so', async () => {
    await show();
    await arrive(busy('two'));
    await click('queued-remove');
    expect(page.api.call('POST', 'runs/r2/withdraw').body).toEqual({});
    expect(texts()).toEqual(['two']);
    await arrive([
      message('q2', 'a', 8, { role: 'user', text: 'two', status: 'cancelled' }),
      { seq: 9, type: 'thread', thread_id: 't', at: 'x', thread: { head: 'a' } }
    ]);
    expect(has('queue')).toBe(false);
    expect(questions()).toEqual(['q']);
  });

  it('is told to have begun where it has', async () => {
    await show();
    await arrive(busy('two'));
    await click('queued-remove');
    await act(async () => {
      const call = page.api.call('POST', 'runs/r2/withdraw');
      call.fail(new ApiError(409, 'run_begun', "Run 'r2' …"));
      await flushPromises();
    });
    expect(part('problem').textContent).toContain('has begun, so the message stays as it is');
  });

  it('gets another text, and keeps its place', async () => {
    await show();
    await arrive(busy('two', 'three'));
    await click('queued-edit');
    await type('zwei', 'edit-field');
    await press(part('edit-field'), { key: 'Enter' });
    const call = page.api.call('POST', 'runs/r2/rewrite');
    expect(call.body).toEqual({ content: 'zwei' });
    await act(async () => {
      call.answer({});
      await flushPromises();
    });
    await arrive([message('q2', 'a', 10, { role: 'user', text: 'zwei' })]);
    expect(texts()).toEqual(['zwei', 'three']);
    expect(has('edit-form')).toBe(false);
  });

  it('that is answered while it is edited keeps the new text in the log', async () => {
    await show();
    await arrive(busy('two'));
    await click('queued-edit');
    await type('zwei', 'edit-field');
    await press(part('edit-field'), { key: 'Enter' });
    await act(async () => {
      const call = page.api.call('POST', 'runs/r2/rewrite');
      call.fail(new ApiError(409, 'run_begun', "Run 'r2' …"));
      await flushPromises();
    });
    await arrive([finish(8)]);
    expect(has('queue')).toBe(false);
    const form = host.querySelector('[data-testid=message-user] [data-testid=edit-field]');
    expect((form as HTMLTextAreaElement).value).toBe('zwei');
    expect(page.drafts.load('t/q2').text).toBe('zwei');
  });

  it('is left alone while the chat is disabled', async () => {
    await show({ isDisabled: true });
    await arrive(busy('two'));
    expect((part('queued-remove') as HTMLButtonElement).disabled).toBe(true);
    expect((part('queued-edit') as HTMLButtonElement).disabled).toBe(true);
  });
});
