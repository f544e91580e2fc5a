import { act } from 'react';
import { describe, expect, it } from 'vitest';

import {
  MAX_CONTEXT_CHARS,
  MAX_CONTEXT_ITEMS,
  withMention
} from '../../src/composer/context-items';
import { type DraftContext, NO_DRAFT } from '../../src/composer/drafts';
import { HistoryWalk, sentTexts } from '../../src/composer/history';
import { EMPTY, fold } from '../../src/fold/transcript';
import { parseEvent } from '../../src/protocol/parse';
import { conversation, FakePage, flushPromises } from '../fakes';
import { arrive, page, part, press, show, type, useStage } from '../stage';

useStage();

const SEND = 'threads/t/messages';
const posts = () => page.api.calls.filter(call => call.path === SEND);
const field = () => part('field') as HTMLTextAreaElement;

describe('the Enter key', () => {
  it.each([
    ['send', {}, true],
    ['send', { shiftKey: true }, false],
    ['send', { ctrlKey: true }, true],
    ['send', { metaKey: true }, true],
    ['newline', {}, false],
    ['newline', { shiftKey: true }, true],
    ['newline', { ctrlKey: true, shiftKey: true }, true]
  ])('set to %s, with %o: sends %s', async (enterKey, modifiers, sends) => {
    await show();
    await arrive(conversation());
    act(() => page.preferences.read({ enterKey }));
    await type('Hello');
    const event = await press(field(), { key: 'Enter', ...modifiers });
    expect([posts().length === 1, event.defaultPrevented]).toEqual([sends, sends]);
  });

  it('is left to an input method', async () => {
    await show();
    await arrive(conversation());
    await type('こん');
    for (const init of [{ isComposing: true }, { keyCode: 229 }]) {
      const event = await press(field(), { key: 'Enter', ...init });
      expect([posts().length, event.defaultPrevented]).toEqual([0, false]);
    }
  });
});

describe('the arrow keys', () => {
  it('bring sent texts back, and the draft after them', async () => {
    await show();
    await arrive(conversation());
    await type('half a thou');
    await press(field(), { key: 'ArrowUp' });
    expect(field().value).toBe('Why?');
    expect((await press(field(), { key: 'ArrowUp' })).defaultPrevented).toBe(false);
    await press(field(), { key: 'ArrowDown' });
    expect(field().value).toBe('half a thou');
    expect((await press(field(), { key: 'ArrowDown' })).defaultPrevented).toBe(false);
  });

  it('leave keys with modifiers and of an input method alone', async () => {
    await show();
    await arrive(conversation());
    for (const init of [{ shiftKey: true }, { ctrlKey: true }, { keyCode: 229 }]) {
      await press(field(), { key: 'ArrowUp', ...init });
      expect(field().value).toBe('');
    }
  });

  it('keep the draft over a reload, and bring it back once the sent text is sent again', async () => {
    await show();
    await arrive(conversation());
    await type('half a thou');
    await press(field(), { key: 'ArrowUp' });
    expect(page.drafts.load('t')).toEqual({ ...NO_DRAFT, text: 'Why?', aside: 'half a thou' });
    const later = new FakePage();
    later.drafts.save('t', page.drafts.load('t'));
    const client = later.threads.acquire('t');
    client.setDraft('Why not?');
    expect(client.recall('newer')).toBe('half a thou');
    await press(field(), { key: 'Enter' });
    await act(async () => {
      posts()[0]?.answer({});
      await flushPromises();
    });
    expect(posts()[0]?.body).toEqual({ content: 'Why?' });
    expect(field().value).toBe('half a thou');
  });
});

describe('the history of a thread', () => {
  it('has each sent text once, the newest first', () => {
    const events = conversation().map(parseEvent);
    expect(sentTexts(fold(EMPTY, events))).toEqual(['Why?']);
  });

  it('keeps what was changed on the way, until something is sent', () => {
    const walk = new HistoryWalk(null);
    const sent = ['two', 'one'];
    expect(walk.older('draft', sent)).toBe('two');
    expect(walk.older('two!', ['three', ...sent])).toBe('one');
    expect(walk.older('one', sent)).toBeNull();
    expect(walk.newer('one?')).toBe('two!');
    expect(walk.older('two!', sent)).toBe('one?');
    expect(walk.restoreDraft()).toBe('draft');
    expect(walk.older('', sent)).toBe('two');
    expect(walk.newer('two')).toBe('');
    expect(walk.newer('')).toBeNull();
  });
});

describe('a mention', () => {
  const add = (items: readonly DraftContext[], name: string, text: string) =>
    withMention(items, { name, text }, name) ?? [];

  it('of the same name takes the place of the older one', () => {
    const items = add(add([], '@df', '3 rows'), '@df', '4 rows');
    expect(items.map(({ name, text }) => [name, text])).toEqual([['@df', '4 rows']]);
  });

  it('of another thing stands beside one of the same name, with its notebook', () => {
    const cell = (path: string, text: string) => ({
      name: '@cell[3]',
      text,
      id: `cell:${path}#c1`,
      origin: path
    });
    let items = withMention([], cell('a.ipynb', '1'), 'k1') ?? [];
    items = withMention(items, cell('b.ipynb', '2'), 'k2') ?? [];
    items = withMention(items, cell('b.ipynb', '3'), 'k3') ?? [];
    expect(items.map(({ name, text }) => [name, text])).toEqual([
      ['@cell[3]', '1'],
      ['@cell[3] (b.ipynb)', '3']
    ]);
  });

  it('that is too long loses its middle, and tells so', () => {
    const text = `begin${'🧮'.repeat(MAX_CONTEXT_CHARS)}end`;
    const [item] = add([], '@out', text);
    expect(item?.isCut).toBe(true);
    expect(item?.text.length).toBeLessThan(MAX_CONTEXT_CHARS + 60);
    expect(item?.text).toMatch(/^begin[\s\S]*\d+ characters are left out here[\s\S]*end$/);
    expect(encodeURIComponent(item?.text ?? '')).toContain('begin'); // no half of a letter
  });

  it('is refused beside too many others', () => {
    let items: readonly DraftContext[] = [];
    for (let n = 0; n < MAX_CONTEXT_ITEMS; n += 1) {
      items = add(items, `@v${n}`, '');
    }
    expect(withMention(items, { name: '@more', text: '' }, 'k')).toBeNull();
  });

  it('whose value comes while its message is sent stays in no later message', async () => {
    const fresh = new FakePage();
    const client = fresh.threads.acquire('t');
    const key = client.mention({ name: '@df', text: '3 rows' }) ?? '';
    client.setDraft('What is in @df?');
    const isSent = client.send();
    await flushPromises();
    client.updateMention(key, 'its value');
    fresh.api.call('POST', SEND).answer({});
    expect(await isSent).toBe(true);
    expect(client.getState().context).toEqual([]);
    client.updateMention(key, 'later still');
    expect(client.getState().context).toEqual([]);
  });

  it('that is made again while its message is sent is for the next one', async () => {
    const fresh = new FakePage();
    const client = fresh.threads.acquire('t');
    client.mention({ name: '@df', text: '3 rows' });
    client.setDraft('What is in @df?');
    const isSent = client.send();
    await flushPromises();
    client.mention({ name: '@df', text: '4 rows' });
    fresh.api.call('POST', SEND).answer({});
    expect(await isSent).toBe(true);
    expect(client.getState().context.map(({ text }) => text)).toEqual(['4 rows']);
  });

  it('is sent as context, and stays in the draft until then', async () => {
    const fresh = new FakePage();
    const client = fresh.threads.acquire('t');
    client.mention({ name: '@df', text: '3 rows' });
    client.mention({ name: '@old', text: 'x' });
    client.forget(client.getState().context[1]?.key ?? '');
    expect(fresh.drafts.load('t').context.map(item => item.name)).toEqual(['@df']);
    expect(await client.send()).toBe(false);
    client.setDraft('What is in @df?');
    const isSent = client.send();
    await flushPromises();
    client.mention({ name: '@next', text: 'for the next message' });
    const call = fresh.api.call('POST', SEND);
    expect(call.body).toEqual({
      content: 'What is in @df?',
      context: [{ name: '@df', text: '3 rows' }]
    });
    call.answer({});
    expect(await isSent).toBe(true);
    expect(client.getState().context.map(item => item.name)).toEqual(['@next']);
  });
});
