import { act } from 'react';
import { describe, expect, it } from 'vitest';
import { mountChat } from '../../src/view/mount';
import { Reviews } from '../../src/workspace/reviews';
import { conversation, flushPromises } from '../fakes';
import { SHOWN, arrive, end, host, page, part, services, show, useStage } from '../stage';

useStage();

const refuse = () => Promise.reject(new Error('not expected here'));
const STORAGE = {
  files: { get: refuse, save: refuse },
  isOpenHere: () => false,
  isOpenElsewhere: async () => false,
  isInEditor: () => false
};

const said = (): string => part('announcer').textContent ?? '';
const live = '[aria-live]:not([aria-live=off]), [role=status], [role=alert]';

describe('the announcer', () => {
  it('tells that an answer begins and ends, and nothing of its text', async () => {
    await show();
    await arrive(conversation().slice(0, 1));
    expect(said()).toBe('');
    await arrive(conversation().slice(1, 4));
    expect(said()).toBe('Answering');
    const node = part('announcer').firstChild;
    await arrive(conversation().slice(4, 8));
    expect(said()).toBe('Answering');
    expect(part('announcer').firstChild).toBe(node);
    await arrive(conversation().slice(8));
    expect(said()).toBe('Finished');
  });

  it('is the only part of a chat that is announced while an answer streams', async () => {
    await show();
    await arrive(conversation().slice(0, 1));
    await arrive(conversation().slice(1, 6));
    const regions = [...host.querySelectorAll(live)].filter(node => node.textContent !== '');
    expect(regions).toEqual([part('announcer')]);
    expect(part('log').getAttribute('aria-live')).toBe('off');
  });

  it('tells nothing of what was there when the chat was opened', async () => {
    await show();
    await arrive(conversation(), false);
    await arrive([]);
    expect(said()).toBe('');
  });

  it('tells what ended while the connection was broken', async () => {
    await show();
    await arrive(conversation().slice(0, 6));
    await act(async () => {
      page.network.socket.drop();
      page.network.clock.turn(10_000);
      await flushPromises();
    });
    await act(async () => {
      page.network.socket.open();
      await flushPromises();
    });
    await arrive([end(7, 'interrupted')]);
    expect(said()).toBe('Interrupted');
  });

  it('tells why an answer failed, in at most 200 characters', async () => {
    await show();
    await arrive(conversation().slice(0, 5));
    const run = { thread_id: 't', at: 'x', run_id: 'r', message_id: 'a', attempt: 1 };
    const message = '🙂'.repeat(300);
    await arrive([
      { ...run, seq: 6, type: 'error', code: 'overloaded', message, retryable: true },
      end(7, 'failed')
    ]);
    expect(said()).toBe(`Failed: ${'🙂'.repeat(200)}…`);
  });

  it('reads the question that an answer asks', async () => {
    await show();
    await arrive(conversation().slice(0, 4));
    const run = { thread_id: 't', at: 'x', run_id: 'r', message_id: 'a', attempt: 1 };
    await arrive([
      { ...run, seq: 5, type: 'input_request', request_id: 'i', prompt: 'Which <b>one</b>?' }
    ]);
    expect(said()).toBe('Asks you: Which <b>one</b>?');
    expect(part('announcer').querySelector('b')).toBeNull();
  });

  it.each([
    ['how to get there, once', 'moved.ipynb', ' Alt+Shift+Down leads there and back.'],
    ['no way to it if it is not open', null, '']
  ])('tells of a proposal how many cells of which notebook, and %s', async (_what, open, way) => {
    const openPath = (path: string) => (path === 'reports/sales.ipynb' ? open : null);
    const workspace = { openPath, subscribe: () => () => undefined, notebooks: () => [] };
    Object.assign(services, {
      workspace: { ...workspace, storage: STORAGE, reviews: new Reviews() }
    });
    await show();
    await arrive(conversation().slice(0, 4));
    const run = { thread_id: 't', at: 'x', run_id: 'r', message_id: 'a', attempt: 1 };
    const add = (id: string) => ({ cell_type: 'code', source: 'x', id });
    const patch = ['one', 'two'].map(id => ({ op: 'add', path: '/cells/0', value: add(id) }));
    const input = { operation: 'propose', path: 'reports/sales.ipynb', versions: {}, patch };
    const call = { part: 0, tool_call_id: 'c', name: 'notebook', where: 'page', effect: 'change' };
    await arrive([
      { ...run, seq: 5, type: 'tool_start', ...call, input },
      {
        ...run,
        seq: 6,
        type: 'input_request',
        request_id: 'i',
        prompt: '',
        kind: 'consent',
        tool_call_id: 'c'
      }
    ]);
    expect(said()).toBe(`Asks you: An edit of 2 cells is proposed in notebook sales.ipynb.${way}`);
    const node = part('announcer').firstChild;
    await arrive([{ ...run, seq: 7, type: 'status', phase: 'waiting' }]);
    expect(part('announcer').firstChild).toBe(node);
  });

  it('speaks once for two views of a thread', async () => {
    await show();
    const other = document.createElement('div');
    document.body.append(other);
    const second = mountChat(other, { threads: page.threads, services, ticker: page.ticker });
    await act(async () => {
      second.show(SHOWN);
      await flushPromises();
    });
    await arrive(conversation().slice(0, 1));
    await arrive(conversation().slice(1, 4));
    const texts = [...document.querySelectorAll('[data-testid=announcer]')].map(
      node => node.textContent
    );
    expect(texts).toEqual(['Answering', '']);
    await act(async () => {
      second.dispose();
      await flushPromises();
    });
    other.remove();
  });
});

describe('a message', () => {
  it('is an article with its author and its place, and can have the focus', async () => {
    await show();
    await arrive(conversation());
    const names = [...host.querySelectorAll('article')].map(node =>
      node.getAttribute('aria-label')
    );
    expect(names).toEqual(['You, message 1', 'demo/tour, message 2']);
    const last = part('message-assistant');
    last.focus();
    expect(document.activeElement).toBe(last);
    expect(last.hasAttribute('data-lm-suppress-shortcuts')).toBe(true);
  });
});
