import { act } from 'react';
import { describe, expect, it } from 'vitest';

import { conversation, flushPromises } from './fakes';
import { arrive, page, part, show, useStage } from './stage';

useStage();

const DEMOS = ['demo/tour', 'demo/echo', 'demo/long'];
const model = (id: string, ready = true) => ({
  id,
  provider: id.split('/')[0],
  label: id,
  canned: id.startsWith('demo/'),
  error: null,
  ready
});

async function offer(current: string, ...models: ReturnType<typeof model>[]): Promise<void> {
  const [thread, ...rest] = conversation() as { thread?: object }[];
  await show();
  await arrive([{ ...thread, thread: { ...thread?.thread, model: current } }, ...rest]);
  await act(async () => {
    page.api.calls
      .filter(call => call.path === 'models')
      .forEach(call => call.answer({ models, default: null }));
    await flushPromises();
  });
}

const list = () => part('model') as HTMLSelectElement;
const values = () => [...list().options].map(option => option.value);

/** Choose as a person does, by mouse or arrow keys: both end in this event. */
async function choose(value: string): Promise<void> {
  await act(async () => {
    list().value = value;
    list().dispatchEvent(new Event('change', { bubbles: true }));
    await flushPromises();
  });
}

describe('the picker', () => {
  it('shows the demo models behind one entry once a real model is ready', async () => {
    await offer('claude/big', ...DEMOS.map(id => model(id)), model('claude/big'));
    expect(values()).toEqual(['claude/big', '+demo']);
    expect(list().options[1]?.textContent).toBe('Demo models…');
  });

  it('shows them all where no real model is ready', async () => {
    await offer('demo/tour', ...DEMOS.map(id => model(id)), model('claude/big', false));
    expect(values()).toEqual([...DEMOS, 'claude/big']);
  });

  it('unfolds by the same key that chooses a model, and chooses nothing by it', async () => {
    await offer('claude/big', ...DEMOS.map(id => model(id)), model('claude/big'));
    list().focus();
    await choose('+demo');
    expect(values()).toEqual([...DEMOS, 'claude/big']);
    expect(list().value).toBe('claude/big');
    expect(document.activeElement).toBe(list());
    expect(page.api.calls.filter(call => call.method === 'PATCH')).toEqual([]);
    await choose('demo/echo');
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({ model: 'demo/echo' });
  });

  it('still shows a demo model that is chosen', async () => {
    await offer('demo/echo', ...DEMOS.map(id => model(id)), model('claude/big'));
    expect(values()).toEqual(['demo/echo', 'claude/big', '+demo']);
    expect(list().value).toBe('demo/echo');
  });

  it('folds again when it is left', async () => {
    await offer('claude/big', ...DEMOS.map(id => model(id)), model('claude/big'));
    list().focus();
    await choose('+demo');
    await act(async () => {
      list().blur();
      await flushPromises();
    });
    expect(values()).toEqual(['claude/big', '+demo']);
  });
});
