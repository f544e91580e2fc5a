// The menu of tools: the mode, which tools are on, and the standing consents with Revoke (L13).
import { act } from 'react';
import { expect, it } from 'vitest';

import { ApiError } from '../../src/connection/api';
import { conversation, flushPromises } from '../fakes';
import { arrive, click, has, host, page, part, press, show, useStage } from '../stage';

useStage();

const TOOLS = 'tools?thread_id=t';
const tool = (name: string, change: object = {}) => ({
  name,
  description: `About ${name}.\n\nMore.`,
  input_schema: {},
  where: 'kernel',
  effect: 'run',
  source: 'builtin',
  consent: 'ask',
  is_on: false,
  ...change
});
const consent = (id: string, change: object = {}) => ({
  id,
  tool: 'kernel',
  operation: 'run',
  thread_id: null,
  at: '2026-11-20T09:00:00Z',
  ...change
});

async function answer(method: string, path: string, value: unknown): Promise<void> {
  await act(async () => {
    page.api.call(method, path).answer(value);
    await flushPromises();
  });
}

async function open(tools: readonly object[], consents: readonly object[] = []): Promise<void> {
  await show();
  await arrive(conversation());
  expect(page.api.calls.some(({ path }) => path === TOOLS)).toBe(false); // unused tools cost nothing
  await click('tools');
  await answer('GET', TOOLS, { tools });
  await answer('GET', 'consents', { consents });
}

/** The thread's event about its tools, as every page gets it. */
async function told(tools: object): Promise<void> {
  const [first] = conversation() as { thread?: object }[];
  const seq = conversation().length + 1;
  await arrive([{ ...first, seq, thread: { ...first?.thread, tools } }]);
}

const box = (name: string): HTMLInputElement => {
  const found = host.querySelector<HTMLInputElement>(`[data-tool="${name}"] input`);
  if (found === null) {
    throw new Error(`There is no ${name}.`);
  }
  return found;
};

it('sets the mode, and the focus is on the chosen one', async () => {
  await open([]);
  expect(document.activeElement).toBe(part('tool-mode-ask'));
  await click('tool-mode-read_only');
  const patch = page.api.call('PATCH', 'threads/t');
  expect(patch.body).toEqual({ tools: { mode: 'read_only', names: null } });
  expect((part('tool-mode-read_only') as HTMLInputElement).checked).toBe(true);
  await answer('PATCH', 'threads/t', {});
  await told({ mode: 'read_only', names: null });
  await answer('GET', TOOLS, { tools: [] });
  expect(part('tools').title).toBe('Tools: Read only');
});

it('has no mode that allows more between Ask and Read only, for a person with arrow keys', async () => {
  await open([]);
  const modes = [...host.querySelectorAll<HTMLElement>('[data-testid^=tool-mode-]')];
  expect(modes.map(node => node.dataset['testid'])).toEqual([
    'tool-mode-read_only',
    'tool-mode-ask',
    'tool-mode-accept_edits'
  ]);
});

it('cannot be opened before the thread is here: a change would lose what is set', async () => {
  await show();
  expect((part('tools') as HTMLButtonElement).disabled).toBe(true);
  await arrive(conversation(), false);
  expect((part('tools') as HTMLButtonElement).disabled).toBe(true);
  await arrive([]);
  expect((part('tools') as HTMLButtonElement).disabled).toBe(false);
});

it('turns tools on and off, two in a row, without losing the first', async () => {
  await open([tool('kernel'), tool('notebook', { where: 'page', is_on: true })]);
  expect(box('notebook').checked).toBe(true);
  await act(async () => box('kernel').click());
  await act(async () => box('notebook').click());
  expect([box('kernel').checked, box('notebook').checked]).toEqual([true, false]);
  await answer('PATCH', 'threads/t', {});
  await answer('GET', TOOLS, { tools: [tool('kernel', { is_on: true }), tool('notebook')] });
  const bodies = page.api.calls.filter(({ method }) => method === 'PATCH').map(call => call.body);
  expect(bodies.at(-1)).toEqual({ tools: { mode: 'ask', names: ['kernel'] } });
});

it('takes a change back that the server refuses, and says why', async () => {
  await open([tool('kernel')]);
  await act(async () => box('kernel').click());
  await act(async () => {
    page.api.call('PATCH', 'threads/t').fail(new ApiError(400, 'invalid', 'No such tool.'));
    await flushPromises();
  });
  await answer('GET', TOOLS, { tools: [tool('kernel')] });
  expect(box('kernel').checked).toBe(false);
  expect(part('problem').textContent).toContain('No such tool.');
});

it('fixes what no person can change: functions of a kernel, and what the server forbids', async () => {
  const denied = tool('shell', { where: 'server', consent: 'denied' });
  await open([tool('clean', { source: 'function', is_on: true }), denied]);
  expect([box('clean').checked, box('clean').disabled]).toEqual([true, true]);
  expect(box('shell').disabled).toBe(true);
  const rows = [...host.querySelectorAll('[data-testid=tool-row]')].map(row => row.textContent);
  expect(rows).toEqual([
    'cleanAbout clean. in the kernel, as long as it runs · asks you',
    'shellAbout shell. on the server · not allowed on this server'
  ]);
});

it('tells which MCP server has a tool, and why another one has none, all of it as text', async () => {
  await open([tool('lab__echo', { source: 'mcp:lab.0a1b2c', where: 'server', consent: 'ask' })]);
  await act(async () => part('tools').click());
  await act(async () => part('tools').click());
  const message = "The MCP server '<b>x</b>' cannot be used. \u202eIt has ended.";
  await answer('GET', TOOLS, {
    tools: [tool('lab__echo', { source: 'mcp:lab.0a1b2c', where: 'server', consent: 'ask' })],
    problems: [{ source: 'mcp:x', message }]
  });
  const row = host.querySelector('[data-tool=lab__echo]');
  expect(row?.textContent).toContain('of the MCP server lab · asks you');
  expect(part('tools-missing').textContent).toContain("'<b>x</b>' cannot be used.");
  expect(part('tools-missing').textContent).not.toContain('\u202e');
});

it('lists the standing consents of this chat and of all chats, and revokes one', async () => {
  const other = consent('c3', { thread_id: 'another' });
  const own = consent('c2', { thread_id: 't', operation: null, tool: '<b>clean</b>' });
  await open([tool('kernel', { consent: 'always' })], [consent('c1'), own, other]);
  const rows = () => [...host.querySelectorAll('[data-testid=standing-consent]')];
  expect(rows().map(row => row.textContent)).toEqual([
    'kernel.run in all chatsRevoke',
    '<b>clean</b> in this chatRevoke'
  ]);
  const revoke = rows()[0]?.querySelector('button');
  await act(async () => {
    revoke?.focus();
    revoke?.click();
  });
  expect(page.api.call('DELETE', 'consents/c1')).toBeDefined();
  await answer('DELETE', 'consents/c1', null);
  await answer('GET', 'consents', { consents: [own] });
  await answer('GET', TOOLS, { tools: [tool('kernel')] });
  expect(rows().length).toBe(1);
  expect(part('tools-panel').textContent).toContain('asks you');
});

it('tells that a list could not be loaded, and keeps what it knew', async () => {
  await open([tool('kernel')], [consent('c1')]);
  await click('tools');
  expect(has('tools-panel')).toBe(false);
  await click('tools');
  await act(async () => {
    const gone = () => new ApiError(0, 'unreachable', 'The server did not respond.');
    page.api.call('GET', TOOLS).fail(gone());
    page.api.call('GET', 'consents').fail(gone());
    await flushPromises();
  });
  expect(box('kernel')).toBeDefined();
  expect(has('standing-consent')).toBe(true);
  expect(part('tools-panel').querySelectorAll('[role=alert]').length).toBe(2);
});

it('follows another page that revokes a consent, and tells the others of its own (L13)', async () => {
  const lists = () => page.api.calls.filter(({ path }) => path === 'consents').length;
  await open([tool('kernel', { consent: 'always' })], [consent('c1'), consent('c2')]);
  await act(async () => {
    page.otherPages.onmessage?.(new MessageEvent('message'));
    await flushPromises();
  });
  await answer('GET', 'consents', { consents: [consent('c2')] });
  expect(host.querySelectorAll('[data-testid=standing-consent]').length).toBe(1);
  await answer('GET', TOOLS, { tools: [tool('kernel')] }); // the tools are asked for again
  expect(part('tools-panel').textContent).toContain('asks you');
  await click('revoke');
  expect(page.otherPages.told).toBe(0);
  await answer('DELETE', 'consents/c2', null);
  expect(page.otherPages.told).toBe(1);
  await press(part('consent-list'), { key: 'Escape' });
  const before = lists();
  page.otherPages.onmessage?.(new MessageEvent('message'));
  expect(lists()).toBe(before); // nobody looks at the list
});

it('leads to the list of all chats', async () => {
  await open([tool('kernel')]);
  await click('all-consents');
  expect(page.commands).toContain('chat-stream:consents');
});
