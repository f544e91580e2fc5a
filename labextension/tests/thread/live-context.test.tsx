// What messages send along of their notebook: read when they are sent, chosen by the person.
import { act } from 'react';
import { describe, expect, it } from 'vitest';

import { ApiError } from '../../src/connection/api';
import {
  type ContextKind,
  ContextChoices,
  type LiveItem,
  StoredChoices
} from '../../src/thread/live-context';
import { Preferences } from '../../src/thread/preferences';
import { conversation, FakeStorage, flushPromises } from '../fakes';
import { arrive, has, host, page, part, press, show, type, useStage } from '../stage';

describe('what is sent along', () => {
  useStage();

  const POST = 'threads/t/messages';
  const item = (kind: ContextKind, text: string, change: Partial<LiveItem> = {}): LiveItem => ({
    kind,
    id: `${kind}:a.ipynb`,
    name: `The ${kind}`,
    summary: text,
    core: text,
    text: () => `All of ${text}`,
    ...change
  });
  const chips = () =>
    [...host.querySelectorAll<HTMLElement>('[data-testid=live-chip]')].map(
      ({ dataset }) => `${dataset['kind']}${dataset['removed'] === 'true' ? ' removed' : ''}`
    );
  const posts = () => page.api.calls.filter(({ path }) => path === POST);
  const contexts = () => posts().map(({ body }) => (body as { context?: unknown }).context);
  const doing = (action: () => void) =>
    act(async () => {
      action();
      await flushPromises();
    });
  const toggle = (kind: ContextKind) =>
    doing(() =>
      host.querySelector<HTMLElement>(`[data-kind=${kind}] [data-testid=live-toggle]`)?.click()
    );
  const send = (text: string) => type(text).then(() => press(part('field'), { key: 'Enter' }));

  async function open(isOn = true): Promise<void> {
    page.notebook.name = 'a.ipynb';
    page.notebook.items = [item('outline', '3 cells'), item('cell', 'x = 1')];
    page.preferences.read({ notebookContext: isOn });
    await show();
    await arrive(conversation());
  }

  it('is nothing by default, and in a chat without a notebook has not even a button', async () => {
    await show();
    await arrive(conversation());
    expect(has('live-context')).toBe(false);
    await open(false);
    await doing(() => page.notebook.settle());
    expect([has('live-context'), chips()]).toEqual([true, []]);
    await send('Why?');
    expect(contexts()).toEqual([undefined]);
  });

  it('is read when Enter is pressed, not when it was shown', async () => {
    await open();
    expect(chips()).toEqual(['outline', 'cell']);
    await type('Why?');
    page.notebook.items = [item('cell', 'x = 2'), item('error', 'boom')]; // not told yet
    await press(part('field'), { key: 'Enter' });
    expect(contexts()).toEqual([
      [
        { name: 'The cell', text: 'All of x = 2' },
        { name: 'The error', text: 'All of boom' }
      ]
    ]);
  });

  it('is removed for one message by its chip, announced, and put back by the same button', async () => {
    await open();
    await toggle('cell');
    expect(chips()).toEqual(['outline', 'cell removed']);
    expect(part('live-said').textContent).toBe('The cell is removed from this message.');
    await toggle('cell');
    expect(part('live-said').textContent).toBe('The cell is sent along again.');
    await toggle('cell');
    await send('Why?');
    expect(contexts()).toEqual([[{ name: 'The outline', text: 'All of 3 cells' }]]);
    await doing(() => posts()[0]?.answer({ message: { id: 'm' } }));
    expect(chips()).toEqual(['outline', 'cell']); // the next message has it again
  });

  it('is turned off for the thread, over a reload', async () => {
    await open();
    await doing(() => part('live-context').click());
    await doing(() => part('live-outline').click());
    expect(chips()).toEqual(['cell']);
    const stored = new StoredChoices(() => page.storage as unknown as Storage);
    const later = new ContextChoices(stored, new Preferences());
    expect(later.of('t').getState().on).toEqual(['cell', 'error']);
    expect(later.of('other').getState().on).toEqual([]);
  });

  it('is left out where a mention that is up to date tells the same', async () => {
    await open();
    const client = page.threads.acquire('t');
    await doing(() => void client.mention({ name: '@cell', id: 'cell:a.ipynb', text: 'x = 1' }));
    expect(chips()).toEqual(['outline']);
    page.notebook.items = [item('cell', 'x = 2')];
    await doing(() => page.notebook.settle());
    expect(chips()).toEqual(['cell']); // what was mentioned is older
    page.threads.release(client);
  });

  it('stays as it was while the server may have the message, so a second try makes no other (L11)', async () => {
    await open();
    const fail = (status: number) =>
      posts()
        .at(-1)
        ?.fail(new ApiError(status, 'failed', 'It failed.'));
    await send('Why?');
    await doing(() => void fail(0));
    page.notebook.items = [item('outline', '3 cells'), item('cell', 'x = 2')];
    await press(part('field'), { key: 'Enter' });
    await doing(() => void fail(409));
    await press(part('field'), { key: 'Enter' });
    const keys = posts().map(({ headers }) => headers?.['Idempotency-Key']);
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).not.toBe(keys[0]); // a refused message is not there, so it may tell what is now
    const bodies = posts().map(({ body }) => JSON.stringify(body));
    expect(bodies.map(body => body.includes('x = 2'))).toEqual([false, false, true]);
  });

  it('is not sent with a second try once its chip was removed', async () => {
    await open();
    await send('Why?');
    const fail = () =>
      posts()
        .at(-1)
        ?.fail(new ApiError(0, 'failed', 'It failed.'));
    await doing(() => void fail());
    const [first] = posts().map(({ body }) => JSON.stringify(body));
    await toggle('cell');
    await press(part('field'), { key: 'Enter' });
    const last = JSON.stringify(posts().at(-1)?.body);
    expect([first?.includes('x = 1'), last.includes('x = 1')]).toEqual([true, false]);
  });
});

describe('the choices of a browser', () => {
  it('hold as long as the page where nothing can be stored, or something else is there', () => {
    const storage = new FakeStorage();
    storage.setItem('jupyter-chat-stream:live-context', '[["t", ["cell", 7]], 8, ["u"]]');
    storage.refuses = true;
    const choices = new ContextChoices(
      new StoredChoices(() => storage as unknown as Storage),
      new Preferences()
    );
    expect(choices.of('t').getState().on).toEqual(['cell']);
    expect(choices.of('u').getState().on).toEqual([]);
    choices.of('u').setOn('error', true);
    expect(choices.of('u').getState().on).toEqual(['error']);
  });
});
