import { act } from 'react';
import { describe, expect, it, vi } from 'vitest';

import { NO_DRAFT } from '../../src/composer/drafts';
import { type Message } from '../../src/protocol/records';
import { editedBody } from '../../src/thread/branching';
import { tree } from '../branches';
import { flushPromises } from '../fakes';
import { arrive, click, has, host, page, part, press, show, type, useStage } from '../stage';

useStage();

const TWO = [
  ['q1', null],
  ['a', 'q1'],
  ['b', 'q1'],
  ['q2', 'b'],
  ['c', 'q2']
] as const;
const head = (seq: number, id: string): object => ({
  seq,
  type: 'thread',
  thread_id: 't',
  at: 'x',
  thread: { head: id }
});

function inMessage(id: string, testid: string): HTMLElement {
  const found = host.querySelector<HTMLElement>(`[data-message-id=${id}] [data-testid=${testid}]`);
  if (found === null) {
    throw new Error(`Message ${id} has no ${testid}.`);
  }
  return found;
}

async function clickIn(id: string, testid: string): Promise<void> {
  await act(async () => {
    inMessage(id, testid).click();
    await flushPromises();
  });
}

describe('the switch between branches', () => {
  it('stands where branches begin only, and tells which one is shown', async () => {
    await show();
    await arrive(tree(TWO));
    expect(inMessage('b', 'switch').textContent).toBe('‹2/2›');
    expect(inMessage('b', 'switch').getAttribute('aria-label')).toBe('Branch 2 of 2');
    expect(host.querySelectorAll('[data-testid=switch]').length).toBe(1);
  });

  it('sets the head to the newest end of the branch, and keeps the focus at the switch', async () => {
    await show();
    const events = tree(TWO);
    await arrive(events);
    inMessage('b', 'previous-branch').focus();
    await clickIn('b', 'previous-branch');
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({ head: 'a' });
    await arrive([head(events.length + 1, 'a')]);
    expect(inMessage('a', 'switch').textContent).toBe('‹1/2›');
    expect(has('message-user')).toBe(true);
    expect(host.querySelector('[data-message-id=c]')).toBeNull();
    expect(document.activeElement).toBe(inMessage('a', 'next-branch'));
    await clickIn('a', 'next-branch');
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({ head: 'c' });
  });

  it('hands its focus to no later message if the server refuses the choice', async () => {
    await show();
    const events = tree(TWO);
    await arrive(events);
    await clickIn('b', 'previous-branch');
    await act(async () => {
      page.api.call('PATCH', 'threads/t').fail(new Error('no network'));
      await flushPromises();
    });
    part('field').focus();
    await arrive([head(events.length + 1, 'a')]);
    expect(inMessage('a', 'switch').textContent).toBe('‹1/2›');
    expect(document.activeElement).toBe(part('field'));
  });

  it('works while another branch streams, which goes on', async () => {
    await show();
    const streaming = { status: 'processing' };
    const events = tree([
      ['q', null],
      ['a', 'q'],
      ['b', 'q', streaming]
    ]);
    await arrive(events);
    await clickIn('b', 'previous-branch');
    await arrive([head(events.length + 1, 'a')]);
    const delta = { type: 'delta', part: 1, kind: 'text', text: ' more' };
    const run = { thread_id: 't', at: 'x', run_id: 'r-b', message_id: 'b', attempt: 1 };
    await arrive([{ ...run, ...delta, seq: events.length + 2 }]);
    expect(host.textContent).toContain('text of a');
    expect(host.textContent).not.toContain('text of b');
    await clickIn('a', 'next-branch');
    await arrive([head(events.length + 3, 'b')]);
    expect(inMessage('b', 'content').textContent).toContain('text of b more');
  });

  it('is not there where a cell shows one run, nor are other ways to make branches', async () => {
    await show({ runId: 'r-a' });
    await arrive(tree(TWO));
    for (const testid of ['switch', 'edit', 'regenerate', 'regenerate-with']) {
      expect(has(testid), testid).toBe(false);
    }
    expect(has('copy-message')).toBe(true);
  });
});

describe('an edited question', () => {
  const QUESTION = [
    ['q1', null],
    ['a', 'q1'],
    ['q2', 'a'],
    ['b', 'q2']
  ] as const;

  it('is a new message at the same place, and closes once the server has it', async () => {
    await show();
    await arrive(tree(QUESTION));
    await clickIn('q2', 'edit');
    expect(document.activeElement).toBe(part('edit-field'));
    expect((part('edit-field') as HTMLTextAreaElement).value).toBe('text of q2');
    await type('another text', 'edit-field');
    await press(part('edit-field'), { key: 'Enter', shiftKey: true });
    await press(part('edit-field'), { key: 'Enter' });
    const call = page.api.call('POST', 'threads/t/messages');
    expect(call.body).toEqual({ content: 'another text', parent_id: 'a' });
    await act(async () => {
      call.answer({});
      await flushPromises();
    });
    expect(has('edit-form')).toBe(false);
    expect(document.activeElement).toBe(part('field'));
  });

  it('keeps its text and its key if it cannot be sent, also over a reload (L11)', async () => {
    await show();
    await arrive(tree(QUESTION));
    await clickIn('q1', 'edit');
    await type('another text', 'edit-field');
    await click('edit-send');
    const first = page.api.call('POST', 'threads/t/messages');
    expect(first.body).toEqual({ content: 'another text', parent_id: null });
    await act(async () => {
      first.fail(new Error('no network'));
      await flushPromises();
    });
    expect((part('edit-field') as HTMLTextAreaElement).value).toBe('another text');
    expect(has('problem')).toBe(true);
    await click('edit-send');
    const second = page.api.call('POST', 'threads/t/messages');
    expect(second).not.toBe(first);
    expect(second.headers).toEqual(first.headers);
    expect(page.drafts.kept.get('t/q1')?.text).toBe('another text');
    await type('a third text', 'edit-field');
    expect((part('edit-field') as HTMLTextAreaElement).value).toBe('another text');
  });

  it('is there again after a reload, without taking the focus', async () => {
    page.drafts.save('t/q2', { ...NO_DRAFT, text: 'half a text' });
    await show();
    await arrive(tree(QUESTION));
    expect((part('edit-field') as HTMLTextAreaElement).value).toBe('half a text');
    expect(document.activeElement).toBe(document.body);
    await click('edit-discard');
    expect(has('edit-form')).toBe(false);
    expect(page.drafts.kept.get('t/q2')?.text).toBe('');
  });

  it('is left by Escape while it is unchanged only, back to its button', async () => {
    await show();
    await arrive(tree(QUESTION));
    await clickIn('q2', 'edit');
    await type('changed', 'edit-field');
    await press(part('edit-field'), { key: 'Escape' });
    expect(has('edit-form')).toBe(true);
    await type('text of q2', 'edit-field');
    await press(part('edit-field'), { key: 'Escape' });
    expect(has('edit-form')).toBe(false);
    await vi.waitFor(() => expect(document.activeElement).toBe(inMessage('q2', 'edit')));
  });

  it('stops the answers to the old text, the last one first, and only once it is sent', async () => {
    const open = { status: 'pending' };
    await show();
    await arrive(
      tree([
        ['q1', null],
        ['a', 'q1', open],
        ['q2', 'a'],
        ['b', 'q2', open]
      ])
    );
    await clickIn('q1', 'edit');
    expect(part('edit-note').textContent).toContain('will be stopped');
    await type('another text', 'edit-field');
    await click('edit-send');
    expect(() => page.api.call('POST', 'runs/r-b/cancel')).toThrow();
    for (const path of ['threads/t/messages', 'runs/r-b/cancel', 'runs/r-a/cancel']) {
      await act(async () => {
        page.api.call('POST', path).answer({});
        await flushPromises();
      });
    }
  });

  it('keeps the attachments and the texts for the model of the old message', () => {
    const parts = [
      { kind: 'attachment', name: 'note', text: 'a context' },
      { kind: 'attachment', name: 'x.png', text: '', attachment_id: 'i1', type: 'image/png' },
      { kind: 'attachment', name: 't.parquet', text: '3 rows', attachment_id: 'i2' },
      { kind: 'text', text: 'old' }
    ];
    const message = { parts, parent_id: 'p' } as unknown as Message;
    expect(editedBody(message, ' new ')).toEqual({
      content: 'new',
      parent_id: 'p',
      attachments: ['i1', 'i2'],
      context: [
        { name: 'note', text: 'a context' },
        { name: 't.parquet', text: '3 rows', attachment_id: 'i2' }
      ]
    });
  });
});

describe('the actions of a message', () => {
  it('ask the same model again, or another one from the list', async () => {
    await show();
    await arrive(tree([['q', null], ['a', 'q']])); // prettier-ignore
    await click('regenerate');
    expect(page.api.call('POST', 'runs/r-a/retry').body).toEqual({});
    page.api.call('POST', 'runs/r-a/retry').answer({});
    await act(flushPromises);
    const model = {
      id: 'demo/fast',
      provider: 'demo',
      endpoint: null,
      label: 'Fast',
      can: [],
      context_tokens: 1,
      parameters: [],
      canned: true,
      ready: true,
      error: null
    };
    await act(async () => {
      page.api.call('GET', 'models').answer({ models: [model], endpoints: [], default: null });
      await flushPromises();
    });
    await click('regenerate-with');
    await click('model-option');
    expect(has('regenerate-models')).toBe(false);
    expect(page.api.call('POST', 'runs/r-a/retry').body).toEqual({ model: 'demo/fast' });
  });

  it('copy exactly the stored text, and tell it', async () => {
    const texts: string[] = [];
    const clipboard = { writeText: async (text: string) => void texts.push(text) };
    vi.stubGlobal('navigator', { ...navigator, clipboard });
    await show();
    const said = '# A\n\n| a |\n|---|\n| **b** |\n\n```py\nx\n```\n';
    await arrive(tree([['q', null], ['a', 'q', { parts: [{ kind: 'text', text: said }] }]])); // prettier-ignore
    await clickIn('a', 'copy-message');
    expect(texts).toEqual([said]);
    expect(inMessage('a', 'copy-message').getAttribute('aria-label')).toBe('Copied as Markdown');
    vi.unstubAllGlobals();
  });

  it('are one stop of the Tab key; the arrow keys move among them', async () => {
    await show();
    await arrive(tree(TWO));
    const footer = inMessage('b', 'answer-footer');
    const stops = () => [...footer.querySelectorAll<HTMLElement>('[tabindex="0"]')];
    expect(stops().length).toBe(1);
    stops()[0]?.focus();
    await press(document.activeElement as HTMLElement, { key: 'ArrowRight' });
    expect((document.activeElement as HTMLElement).dataset['testid']).toBe('time');
    await press(document.activeElement as HTMLElement, { key: 'End' });
    expect((document.activeElement as HTMLElement).dataset['testid']).toBe('regenerate-with');
    expect(stops()).toEqual([document.activeElement]);
    await press(document.activeElement as HTMLElement, { key: 'ArrowRight' });
    expect((document.activeElement as HTMLElement).dataset['testid']).toBe('previous-branch');
  });
});
