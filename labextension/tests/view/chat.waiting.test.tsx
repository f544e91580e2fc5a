import { act } from 'react';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../src/connection/api';
import { mountChat } from '../../src/view/mount';
import { fieldText } from '../../src/view/times';
import { conversation, flushPromises } from '../fakes';
import {
  SHOWN,
  arrive,
  click,
  end,
  has,
  host,
  page,
  part,
  press,
  show,
  services,
  type,
  useStage
} from '../stage';

useStage();

describe('a question', () => {
  const run = { thread_id: 't', at: 'x', run_id: 'r', message_id: 'a', attempt: 1 };
  const asked = { ...run, type: 'input_request', request_id: 'i', prompt: 'Which of them?' };
  const answered = { ...run, type: 'input', request_id: 'i' };

  async function ask(more: object = {}): Promise<void> {
    await show();
    await arrive([...conversation().slice(0, 4), { ...asked, ...more, seq: 5 }]);
  }

  it('is answered by a button, and then says by whom', async () => {
    await ask({ choices: ['Yes', 'No'] });
    expect(part('status').title).toBe('Waiting for your answer');
    expect(part('input-request').dataset['state']).toBe('open');
    await click('choice');
    expect(page.api.call('POST', 'runs/r/input').body).toEqual({ request_id: 'i', value: 'Yes' });
    expect((part('choice') as HTMLButtonElement).disabled).toBe(true);
    await arrive([{ ...answered, seq: 6, value: 'Yes', by: 'ada' }]);
    expect(part('answered').textContent).toBe('Yes answered by ada');
    expect(has('choice')).toBe(false);
  });

  it('is answered by what is typed and sent, and nothing empty', async () => {
    await ask();
    expect((part('answer') as HTMLButtonElement).disabled).toBe(true);
    await type('the second', 'answer-field');
    await act(async () => {
      part('answer-field').closest('form')?.requestSubmit();
      await flushPromises();
    });
    const body = { request_id: 'i', value: 'the second' };
    expect(page.api.call('POST', 'runs/r/input').body).toEqual(body);
  });

  it('shows the winner to whoever came second', async () => {
    await ask({ choices: ['Yes', 'No'] });
    await click('choice');
    const facts = { value: 'No', by: 'ada' };
    await act(async () => {
      const error = new ApiError(409, 'request_not_open', 'Too late.', facts);
      page.api.call('POST', 'runs/r/input').fail(error);
      await flushPromises();
    });
    expect(part('answered').textContent).toContain('No answered by ada');
    expect(part('beaten').textContent).toContain('“Yes” was not used');
    expect(has('choice')).toBe(false);
    expect(has('problem')).toBe(false);
    await arrive([{ ...answered, seq: 6, ...facts }]);
    expect(part('answered').textContent).toContain('No answered by ada');
  });

  it('says how long it is open, counting by the one clock, and that it has expired', async () => {
    await ask({ expires_at: new Date(90_000).toISOString() });
    expect(part('expiry').textContent).toBe('90 s left');
    expect(page.network.clock.pending).toBeGreaterThan(0);
    await act(async () => page.network.clock.turn(30_000));
    expect(part('expiry').textContent).toBe('60 s left');
    const expired = { ...run, type: 'error', code: 'input_expired', message: 'x', retryable: true };
    await arrive([{ ...expired, seq: 6 }, end(7, 'failed')]);
    expect(part('input-request').dataset['state']).toBe('expired');
    expect(part('input-request').textContent).toContain('Nobody answered');
    expect(has('answer')).toBe(false);
    expect(has('retry')).toBe(true);
  });

  it('keeps the keys of who was typing when somebody else answers', async () => {
    await ask();
    part('answer-field').focus();
    await arrive([{ ...answered, seq: 6, value: 'both', by: 'ada' }]);
    expect(document.activeElement).toBe(part('log'));
  });

  it('takes no answer while the chat is disabled', async () => {
    await show({ isDisabled: true });
    await arrive([...conversation().slice(0, 4), { ...asked, seq: 5, choices: ['Yes'] }]);
    expect(has('choice')).toBe(false);
  });
});

describe('what waits for a time', () => {
  const run = { thread_id: 't', at: 'x', run_id: 'r', message_id: 'a', attempt: 1 };
  const until = new Date(8_000).toISOString();

  it('counts down to the next try, and no clock runs when that has come', async () => {
    await show();
    const failing = { ...run, seq: 5, type: 'status', phase: 'retrying', detail: 'overloaded' };
    await arrive([...conversation().slice(0, 4), { ...failing, until }]);
    const idle = page.network.clock.pending - 1;
    expect(part('progress').textContent).toBe(
      'Trying again in 8 s (the model is overloaded), attempt 2'
    );
    await act(async () => page.network.clock.turn(3_000));
    expect(part('progress').textContent).toContain('in 5 s');
    expect(part('status').textContent).toBe('Retry in 5 s');
    await act(async () => page.network.clock.turn(9_000));
    expect(part('progress').textContent).toContain('Trying again now');
    expect(page.network.clock.pending).toBe(idle);
  });

  it('costs no timer while the chat cannot be seen', async () => {
    let seen: (isIntersecting: boolean) => void = () => undefined;
    vi.stubGlobal(
      'IntersectionObserver',
      class {
        constructor(notify: (entries: object[]) => void) {
          seen = isIntersecting => notify([{ isIntersecting }]);
        }
        observe = () => undefined;
        disconnect = () => undefined;
      }
    );
    const other = document.createElement('div');
    document.body.append(other);
    const chats = mountChat(other, { threads: page.threads, services, ticker: page.ticker });
    await act(async () => {
      chats.show(SHOWN);
      await flushPromises();
    });
    vi.unstubAllGlobals();
    const failing = { ...run, seq: 5, type: 'status', phase: 'retrying', detail: 'overloaded' };
    await arrive([...conversation().slice(0, 4), { ...failing, until }]);
    const unseen = page.network.clock.pending;
    await act(async () => seen(true));
    expect(page.network.clock.pending).toBe(unseen + 1);
    await act(async () => seen(false));
    expect(page.network.clock.pending).toBe(unseen);
    await act(async () => {
      chats.dispose();
      await flushPromises();
    });
    other.remove();
  });

  it('is shown after the branch, pale, and can be cancelled', async () => {
    const [, question, reply] = conversation() as { message: object }[];
    const unsent = { status: 'waiting', parent_id: null };
    const [asked, answer] = [question?.message, reply?.message];
    await show();
    await arrive([
      ...conversation(),
      { ...question, seq: 11, message: { ...asked, ...unsent, id: 'q2' } },
      {
        ...reply,
        seq: 12,
        run_id: 'r2',
        message_id: 'a2',
        deliver_at: new Date(86_400_000).toISOString(),
        message: { ...answer, ...unsent, id: 'a2', run_id: 'r2', parent_id: 'q2' }
      }
    ]);
    expect(part('message-later').textContent).toMatch(/^Why\?Will be sent \w+ at/);
    const before = part('message-later').previousElementSibling;
    expect(before?.lastElementChild?.contains(part('message-assistant'))).toBe(true);
    expect(host.querySelectorAll('[data-testid=message-assistant]').length).toBe(1);
    expect(has('stop')).toBe(false);
    expect(has('empty')).toBe(false);
    await click('cancel-later');
    expect(page.api.call('POST', 'runs/r2/cancel').body).toEqual({});
  });
});

describe('sending later', () => {
  beforeEach(async () => {
    await show();
    await arrive(conversation().slice(0, 1));
    await click('later');
  });

  it('sends at the time that is chosen, by the same keys', async () => {
    expect(part('later').getAttribute('aria-expanded')).toBe('true');
    expect(document.activeElement).toBe(part('later-at'));
    await type('2031-11-20T18:00', 'later-at');
    await type('Good evening', 'field');
    expect(part('send').textContent).toBe('Send later');
    await press(part('field'), { key: 'Enter' });
    const call = page.api.call('POST', 'threads/t/messages');
    const deliver_at = new Date(2031, 10, 20, 18).toISOString();
    expect(call.body).toEqual({ content: 'Good evening', deliver_at });
    expect(call.headers?.['Idempotency-Key']).toMatch(/.@2031/);
    await act(async () => {
      call.answer({});
      await flushPromises();
    });
    expect(has('later-panel')).toBe(false);
    expect(part('send').textContent).toBe('Send');
  });

  it('sends nothing for a time that is past, or none', async () => {
    await type('Good evening', 'field');
    const past = fieldText(-60_000); // the page's clock stands at 0
    for (const at of [past, '']) {
      await type(at, 'later-at');
      expect((part('send') as HTMLButtonElement).disabled).toBe(true);
      await press(part('field'), { key: 'Enter' });
    }
    expect(page.api.calls.some(call => call.method === 'POST')).toBe(false);
  });

  it('sends nothing once the time that was chosen has passed', async () => {
    await type('Good evening', 'field');
    await type(fieldText(120_000), 'later-at');
    expect((part('send') as HTMLButtonElement).disabled).toBe(false);
    await act(async () => page.network.clock.turn(121_000));
    expect((part('send') as HTMLButtonElement).disabled).toBe(true);
  });

  it('is left by Escape, back to the button that opened it', async () => {
    await press(part('later-at'), { key: 'Escape' });
    expect(has('later-panel')).toBe(false);
    expect(document.activeElement).toBe(part('later'));
  });

  it('lists what repeats, pauses it, and deletes it when asked twice', async () => {
    const one = { id: 's', content: 'What is new?', cron: '0 9 * * 1', timezone: 'UTC' };
    const answer = async (path: string, method: string, value: unknown) =>
      act(async () => {
        page.api.call(method, path).answer(value);
        await flushPromises();
      });
    const list = (paused: boolean) =>
      answer('schedules?thread_id=t', 'GET', { schedules: [{ ...one, paused, next_at: null }] });
    await list(false);
    expect(part('schedule').textContent).toContain('What is new?');
    await click('pause');
    expect(page.api.call('PATCH', 'schedules/s').body).toEqual({ paused: true });
    await answer('schedules/s', 'PATCH', {});
    await list(true);
    expect(part('schedule').dataset['state']).toBe('paused');
    await click('delete');
    expect(part('delete').textContent).toBe('Confirm');
    await click('delete');
    await answer('schedules/s', 'DELETE', null);
    await answer('schedules?thread_id=t', 'GET', { schedules: [] });
    expect(part('schedules').textContent).toContain('no repeating messages');
  });
});
