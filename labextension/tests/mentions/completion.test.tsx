import { act } from 'react';
import { describe, expect, it } from 'vitest';

import { slashCall, slashOptions } from '../../src/composer/slash';
import { Completion } from '../../src/mentions/completion';
import {
  cellMention,
  cellReferences,
  outputMention,
  variableMention
} from '../../src/mentions/items';
import { folderOf } from '../../src/mentions/options';
import { mentionAt } from '../../src/mentions/query';
import {
  type NotebookCell,
  type Variable,
  type Variables,
  type Workspace
} from '../../src/workspace/values';
import { conversation, flushPromises } from '../fakes';
import {
  arrive,
  click,
  has,
  host,
  page,
  part,
  press,
  services,
  show,
  type,
  useStage
} from '../stage';

useStage();

const cell = (index: number, source: string, executionCount: number | null = null) =>
  ({
    path: 'work/a.ipynb',
    cellId: `c${index}`,
    index,
    kind: 'code',
    source,
    executionCount,
    outputs: [{ kind: 'text', text: `out ${index}` }],
    error: null
  }) satisfies NotebookCell;
const DF: Variable = { name: 'df', type: 'DataFrame', shape: '3 × 2', summary: 'a, b' };
const CELLS = [cell(0, 'import pandas'), cell(1, 'df = load()', 3), cell(2, 'df.plot()', 12)];

class FakeWorkspace implements Partial<Workspace> {
  variablesNow: Variables = { state: 'known', variables: [DF], more: 0 };
  asked = 0;
  notebooks = () => [
    {
      path: 'work/a.ipynb',
      localPath: 'work/a.ipynb',
      name: 'a.ipynb',
      language: 'python',
      isCurrent: true
    }
  ];
  placeOf = () => ({ path: 'work/a.ipynb', cellId: 'c2' });
  cells = () => CELLS;
  variables = async () => {
    this.asked += 1;
    return this.variablesNow;
  };
  describe = async () => ({ state: 'known' as const, text: '3 rows of df' });
}

/** Let the chat of the stage find notebooks. */
function open(): FakeWorkspace {
  const workspace = new FakeWorkspace();
  Object.assign(services, { workspace });
  page.folders.set('work', [
    { name: 'data', path: 'work/data', isFolder: true },
    { name: 'dates.csv', path: 'work/dates.csv', isFolder: false },
    { name: '.hidden', path: 'work/.hidden', isFolder: false }
  ]);
  page.folders.set('work/data', [{ name: 'x.csv', path: 'work/data/x.csv', isFolder: false }]);
  return workspace;
}

const field = () => part('field') as HTMLTextAreaElement;
const options = () =>
  [...document.querySelectorAll('[data-testid=completion-option]')].map(
    node => node.firstElementChild?.textContent
  );
const chips = () =>
  [...host.querySelectorAll('[data-testid=context-chip] bdi')].map(node => node.textContent);

async function ready(): Promise<FakeWorkspace> {
  const workspace = open();
  await show();
  await arrive(conversation());
  return workspace;
}

describe('a query', () => {
  it.each([
    ['@', null, ''],
    ['look at (@df', null, 'df'],
    ['@cell:3', 'cell', '3'],
    ['@file:my\\ data/x', 'file', 'my data/x']
  ])('is read of %j', (text, kind, query) => {
    expect(mentionAt(text, text.length)).toMatchObject({ kind, text: query });
  });

  it.each(['me@example.org', '@df ', 'a @ b', '@@', 'no'])('is not seen in %j', text => {
    expect(mentionAt(text, text.length)).toBeNull();
  });

  it('names a folder below the notebook or the root, and never above the root', () => {
    expect(folderOf('data/x', 'work')).toBe('work/data');
    expect(folderOf('/data/x', 'work')).toBe('data');
    expect(folderOf('../../../x', 'work')).toBe('');
  });
});

describe('the list behind an @', () => {
  it('offers what can be mentioned, and goes on from a kind to its members', async () => {
    await ready();
    await type('@');
    expect(options()).toEqual(['@cell', '@output', '@variable', '@file']);
    expect(field().getAttribute('aria-activedescendant')).toBe(
      document.querySelector('[role=option][aria-selected=true]')?.id
    );
    await press(field(), { key: 'Tab' });
    expect(field().value).toBe('@cell:');
    expect(options()).toEqual(['@cell[12]', '@cell#1', '@cell[3]']);
    await press(field(), { key: 'ArrowDown' });
    await press(field(), { key: 'Enter' });
    expect(field().value).toBe('@cell#1 ');
    expect(chips()).toEqual(['@cell#1']);
    expect(has('completion')).toBe(false);
    expect(page.api.calls.filter(call => call.method === 'POST')).toEqual([]);
  });

  it('finds a variable, and attaches its value at that moment', async () => {
    const workspace = await ready();
    await type('What is @d');
    expect(options()).toEqual(['df', 'data/', 'dates.csv']);
    await press(field(), { key: 'Tab' });
    await act(flushPromises);
    expect(field().value).toBe('What is @df ');
    const [item] = page.threads.find('t')?.getState().context ?? [];
    expect(item?.name).toBe('@df');
    expect(item?.text).toContain('3 rows of df');
    expect(workspace.asked).toBe(1);
  });

  it('goes into folders and attaches a file', async () => {
    await ready();
    await type('@file:');
    await act(flushPromises);
    expect(options()).toEqual(['data/', 'dates.csv']);
    await press(field(), { key: 'Tab' });
    await act(flushPromises);
    expect(field().value).toBe('@file:data/');
    expect(options()).toEqual(['x.csv']);
    await press(field(), { key: 'Tab' });
    expect(field().value).toBe('@data/x.csv ');
    expect(page.threads.find('t')?.uploads.items.map(file => file.name)).toEqual(['x.csv']);
  });

  it('tells why there are no variables', async () => {
    const workspace = open();
    workspace.variablesNow = { state: 'busy' };
    await show();
    await arrive(conversation());
    await type('@variable:');
    await act(flushPromises);
    expect(document.querySelector('[data-testid=completion-note]')?.textContent).toContain('busy');
    const event = await press(field(), { key: 'Tab' });
    expect(event.defaultPrevented).toBe(false);
  });

  it('closes with Escape for this word, and leaves the keys alone then', async () => {
    await ready();
    await type('@ce');
    expect(options()).toEqual(['@cell']);
    await press(field(), { key: 'Escape' });
    expect(has('completion')).toBe(false);
    await type('@cel');
    expect(has('completion')).toBe(false);
    await press(field(), { key: 'Enter' });
    expect(page.api.call('POST', 'threads/t/messages').body).toEqual({ content: '@cel' });
    await type('and @ce');
    expect(options()).toEqual(['@cell']);
  });

  it('takes no key of an input method', async () => {
    await ready();
    await type('@ce');
    const event = await press(field(), { key: 'Enter', keyCode: 229 });
    expect([event.defaultPrevented, field().value]).toEqual([false, '@ce']);
  });

  it('drops what arrives after it was closed', async () => {
    let arrived: (value: Variables) => void = () => undefined;
    const workspace = new FakeWorkspace();
    workspace.variables = () => new Promise<Variables>(resolve => (arrived = resolve));
    const completion = new Completion({
      workspace: workspace as unknown as Workspace,
      listFolder: () => Promise.resolve([])
    });
    completion.update('@variable:', 10, host);
    completion.update('', 0, host);
    arrived({ state: 'known', variables: [DF], more: 0 });
    await flushPromises();
    expect(completion.getState().options).toEqual([]);
  });
});

describe('what is mentioned', () => {
  it('is a text with its place', () => {
    expect(cellMention(CELLS[1] ?? cell(0, ''), '[3]')).toEqual({
      name: '@cell[3]',
      id: 'cell:work/a.ipynb#c1',
      origin: 'a.ipynb',
      text: 'Cell number 2 of work/a.ipynb (code), its source:\ndf = load()'
    });
    expect(outputMention(cell(2, '', 12), '[12]').text).toContain('out 2');
    expect(variableMention(DF, 'a.ipynb', null).text).toContain('gave no more details');
  });
});

describe('the reference of a cell', () => {
  it('is its number, or its place where two cells have the same number', () => {
    const cells = [cell(0, '', 1), cell(1, '', 1), cell(2, '', 2), cell(3, '')];
    expect([...cellReferences(cells).values()]).toEqual(['#1', '#2', '[2]', '#4']);
  });

  it('stands in the list of outputs, the newest output first', async () => {
    await ready();
    await type('@output:');
    expect(options()).toEqual(['@output[12]', '@output[3]']);
  });
});

describe('a / command', () => {
  it.each(['/usr/bin is full', '/stop the car', '/nothing', ' /stop', '/title a\nb', '/'])(
    'is not seen in %j',
    text => expect(slashCall(text)).toBeNull()
  );

  it('is a whole text', () => {
    expect(slashCall('/stop ')?.command.name).toBe('stop');
    expect(slashCall('/title A new day ')?.argument).toBe('A new day');
    expect(slashOptions('/re', 3).map(({ name }) => name)).toEqual(['retry']);
    expect(slashOptions('/re', 2)).toEqual([]);
  });

  it('renames the chat, and is no message', async () => {
    await ready();
    await type('/ti');
    await press(field(), { key: 'Tab' });
    expect(field().value).toBe('/title ');
    await press(field(), { key: 'Enter' });
    expect(part('problem').textContent).toContain('Type the new title after /title');
    await type('/title Churn');
    await press(field(), { key: 'Enter' });
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({ title: 'Churn' });
    expect(field().value).toBe('');
    expect(page.api.calls.filter(call => call.method === 'POST')).toEqual([]);
  });

  it('begins a chat, retries, and tells if there is nothing to stop', async () => {
    await ready();
    for (const text of ['/new', '/retry', '/stop']) {
      await type(text);
      await press(field(), { key: 'Enter' });
    }
    expect([...page.commands]).toEqual(['chat-stream:new']);
    expect(page.api.call('POST', 'runs/r/retry').body).toEqual({});
    expect(part('problem').textContent).toContain('No answer is being written');
  });

  it('shows what can be typed', async () => {
    await ready();
    await type('/help');
    await press(field(), { key: 'Enter' });
    expect(part('composer-help').textContent).toContain('/stop');
    await click('help-close');
    expect(has('composer-help')).toBe(false);
  });

  it('that is none is sent', async () => {
    await ready();
    await type('/usr/bin is full');
    await press(field(), { key: 'Enter' });
    const { body } = page.api.call('POST', 'threads/t/messages');
    expect(body).toEqual({ content: '/usr/bin is full' });
  });
});
