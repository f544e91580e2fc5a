import { act } from 'react';
import { beforeEach, describe, expect, it } from 'vitest';
import { conversation, flushPromises } from '../fakes';
import { arrive, click, end, has, host, page, part, press, show, type, useStage } from '../stage';

useStage();

describe('a chat', () => {
  it('invites where nothing was said, and streams what comes', async () => {
    await show();
    await arrive(conversation().slice(0, 1));
    expect(part('empty').textContent).toContain('Ask something');
    await arrive(conversation().slice(1, 5));
    const said = [...host.querySelectorAll('[data-testid=content]')];
    expect(said.map(node => node.textContent)).toEqual(['Why?', 'Be']);
    expect(part('status').dataset['state']).toBe('streaming');
    expect(part('log').getAttribute('aria-live')).toBe('off');
    await arrive(conversation().slice(5));
    const answer = part('message-assistant').querySelector('[data-testid=content]');
    expect(answer?.textContent).toBe('Because of it.');
    expect(part('message-assistant').dataset['status']).toBe('completed');
    expect(part('log').getAttribute('aria-live')).toBe('off');
  });

  it('draws what another attempt goes on with in the same flow', async () => {
    await show();
    const run = { thread_id: 't', at: 'x', run_id: 'r', message_id: 'a', attempt: 2 };
    await arrive([
      ...conversation().slice(0, 5),
      { ...run, seq: 6, type: 'status', phase: 'continuing' },
      { ...run, seq: 7, type: 'delta', part: 1, kind: 'text', text: 'cause.' }
    ]);
    const content = part('message-assistant').querySelectorAll('.jp-ChatStream-markdown');
    expect([...content].map(node => node.textContent)).toEqual(['Because.']);
  });

  it('offers Stop from before the first token, and takes it away at the end', async () => {
    await show();
    await arrive(conversation().slice(0, 3));
    expect(part('progress').dataset['state']).toBe('queued');
    await click('stop');
    expect(page.api.call('POST', 'runs/r/cancel').body).toEqual({});
    expect(part('status').textContent).toBe('Stopping…');
    page.api.call('POST', 'runs/r/cancel').answer({});
    await arrive([end(4, 'cancelled')]);
    expect(has('stop')).toBe(false);
    expect(part('outcome').textContent).toContain('Stopped');
  });

  it('offers Continue and Retry after an interruption, Retry alone without text', async () => {
    await show();
    await arrive([...conversation().slice(0, 5), end(6, 'interrupted')]);
    expect(part('outcome').dataset['state']).toBe('interrupted');
    await click('continue');
    page.api.call('POST', 'runs/r/continue').answer({});
    await act(flushPromises);
    await click('retry');
    expect(page.api.call('POST', 'runs/r/retry').body).toEqual({});
  });

  it('gives the reason of a failure', async () => {
    await show();
    const run = { thread_id: 't', at: 'x', run_id: 'r', message_id: 'a' };
    const error = { ...run, seq: 5, type: 'error', code: 'bad_key', message: 'Refused.' };
    await arrive([...conversation().slice(0, 4), { ...error, retryable: false }, end(6, 'failed')]);
    expect(part('outcome').textContent).toContain('Refused.');
    expect(has('retry')).toBe(true);
    expect(has('continue')).toBe(false);
  });

  it('draws a message that did not change once', async () => {
    await show();
    await arrive(conversation());
    const drawn = host.querySelector('[data-testid=message-assistant] p');
    const title = { seq: 11, type: 'thread', thread_id: 't', at: 'x', thread: { title: 'New' } };
    await arrive([title]);
    expect(drawn?.textContent).toBe('Because of it.');
    expect(host.querySelector('[data-testid=message-assistant] p')).toBe(drawn);
  });

  it('folds a long question, and shows all of it on demand', async () => {
    await show();
    const long = Array.from({ length: 3_000 }, (_, line) => `line ${line}`).join('\n');
    const said = JSON.stringify(conversation()).replace('"Why?"', JSON.stringify(long));
    await arrive(JSON.parse(said) as object[]);
    const question = part('message-user');
    expect(question.querySelector('[data-testid=content]')?.textContent).toBe(long);
    expect(question.querySelector('.jp-mod-folded')).not.toBeNull();
    await click('unfold');
    expect(question.querySelector('.jp-mod-folded')).toBeNull();
    expect(part('unfold').textContent).toBe('Show less');
  });

  it('shows one exchange without a composer, but with Stop', async () => {
    await show({ runId: 'r' });
    await arrive(conversation().slice(0, 5));
    expect(has('composer')).toBe(false);
    expect(has('stop')).toBe(true);
    expect(part('line').textContent).toContain('demo/tour');
  });

  it('shows the saved copy of a thread that is not here, and says so', async () => {
    await show({ savedCopy: '**You**\n\nold words' });
    await act(async () => {
      page.network.socket.open();
      const error = { code: 'thread_not_found', message: 'x' };
      page.network.socket.receive({ op: 'error', thread: 't', error });
      page.frame();
      await flushPromises();
    });
    expect(part('saved-copy').textContent).toContain('saved copy');
    expect(part('saved-copy').textContent).toContain('old words');
  });

  it('takes no input while it is disabled', async () => {
    await show({ isDisabled: true });
    await arrive([...conversation().slice(0, 5), end(6, 'interrupted')]);
    expect((part('field') as HTMLTextAreaElement).disabled).toBe(true);
    expect(has('retry')).toBe(false);
  });
});

describe('the composer', () => {
  beforeEach(async () => {
    await show();
    await arrive(conversation().slice(0, 1));
  });

  it('sends on Enter, not on Shift+Enter, and not while a word is composed', async () => {
    await type('Why?');
    expect((await press(part('field'), { key: 'Enter', shiftKey: true })).defaultPrevented).toBe(
      false
    );
    await press(part('field'), { key: 'Enter', isComposing: true });
    await press(part('field'), { key: 'Enter', keyCode: 229 });
    const sent = () => page.api.calls.filter(call => call.method === 'POST');
    expect(sent().length).toBe(0);
    expect((await press(part('field'), { key: 'Enter' })).defaultPrevented).toBe(true);
    expect(sent().map(call => call.body)).toEqual([{ content: 'Why?' }]);
  });

  it('keeps the text of a message that could not be sent', async () => {
    await type('Why?');
    await click('send');
    await act(async () => {
      page.api.call('POST', 'threads/t/messages').fail(new Error('bug'));
      await flushPromises();
    });
    expect((part('field') as HTMLTextAreaElement).value).toBe('Why?');
    expect(part('problem').textContent).toContain('Your text is kept.');
    await click('dismiss');
    expect(has('problem')).toBe(false);
  });

  it('keeps its keys: nothing typed in it reaches the notebook around it', async () => {
    const reached: string[] = [];
    const outside = (event: Event): void => void reached.push(event.type);
    document.body.addEventListener('keydown', outside);
    for (const key of ['d', 'x', 'Escape', 'Enter']) {
      for (const node of host.querySelectorAll<HTMLElement>(
        'button, textarea, select, [tabindex]'
      )) {
        await press(node, { key, shiftKey: key === 'Enter' });
      }
    }
    document.body.removeEventListener('keydown', outside);
    expect(reached).toEqual([]);
  });

  it('marks every element that can be focused', async () => {
    await arrive(conversation().slice(1));
    await click('later');
    const nodes = host.querySelectorAll(
      'a, button, input, select, textarea, summary, pre, [tabindex]'
    );
    expect(nodes.length).toBeGreaterThan(4);
    nodes.forEach(node => {
      expect(node.hasAttribute('data-lm-suppress-shortcuts'), node.outerHTML).toBe(true);
    });
  });

  it('keeps the focus inside when a click takes its button away', async () => {
    await arrive(conversation().slice(1, 4));
    part('stop').focus();
    await click('stop');
    expect(document.activeElement).toBe(part('log'));
  });
});
