import { act } from 'react';
import { describe, expect, it } from 'vitest';

import { type Params } from '../src/offer';
import { ENGLISH, conversation, flushPromises } from './fakes';
import { arrive, has, host, page, part, show, useStage } from './stage';

useStage();

const DEMOS = ['demo/tour', 'demo/echo', 'demo/long'];

type Wire = Readonly<Record<string, unknown>>;

const model = (id: string, ready = true, more: object = {}): Wire => ({
  id,
  provider: id.split('/')[0],
  endpoint: id.startsWith('demo/') ? null : id.split('/')[0],
  label: id,
  can: [],
  context_tokens: 200_000,
  parameters: [],
  canned: id.startsWith('demo/'),
  error: null,
  ready,
  ...more
});

const endpoint = (name: string, more: object = {}): object => ({
  name,
  title: name.toUpperCase(),
  is_local: false,
  needs_key: true,
  has_key: true,
  can_set_key: true,
  where_key: `the file ${name}.key`,
  error: null,
  ...more
});

async function offer(
  models: readonly Wire[],
  { endpoints = [], thread = {} }: { endpoints?: object[]; thread?: object } = {}
): Promise<void> {
  const [first, ...rest] = conversation() as { thread?: object }[];
  await show();
  await arrive([{ ...first, thread: { ...first?.thread, ...thread } }, ...rest]);
  await answerModels(models, endpoints);
}

async function answerModels(models: readonly Wire[], endpoints: object[] = []): Promise<void> {
  await act(async () => {
    page.api.calls
      .filter(call => call.path.startsWith('models'))
      .forEach(call => call.answer({ models, endpoints, default: null }));
    await flushPromises();
  });
}

async function doing(action: () => void): Promise<void> {
  await act(async () => {
    action();
    await flushPromises();
  });
}

const open = (): Promise<void> => doing(() => part('model').click());
const options = () => [...host.querySelectorAll<HTMLElement>('[data-testid=model-option]')];
const values = () => options().map(option => option.dataset['value']);
const titles = () =>
  [...host.querySelectorAll('.jp-ChatStream-groupTitle')].map(node => node.textContent);
const active = () => {
  const id = part('model-search').getAttribute('aria-activedescendant') ?? '';
  return document.getElementById(id)?.dataset['value'];
};
const press = (key: string): Promise<void> =>
  doing(() =>
    part('model-search').dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
  );

async function type(testid: string, text: string): Promise<void> {
  await doing(() => {
    const field = part(testid) as HTMLInputElement;
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set;
    set?.call(field, text);
    field.dispatchEvent(new Event('input', { bubbles: true }));
  });
}

const REAL = [model('claude/big'), model('lab/small'), ...DEMOS.map(id => model(id))];
const ENDPOINTS = [endpoint('claude'), endpoint('lab')];

describe('the picker', () => {
  it("shows the thread's model, and opens the models in groups with the demo last", async () => {
    await offer(REAL, { endpoints: ENDPOINTS, thread: { model: 'lab/small' } });
    expect(part('model').textContent).toBe('lab/small');
    await open();
    expect(titles()).toEqual(['CLAUDE', 'LAB', 'Demo (canned answers)']);
    expect(active()).toBe('lab/small');
    expect(options().filter(it => it.ariaSelected === 'true').length).toBeLessThanOrEqual(1);
  });

  it('chooses by the keyboard alone, and remembers what was used', async () => {
    await offer(REAL, { endpoints: ENDPOINTS, thread: { model: 'claude/big' } });
    await open();
    await press('ArrowUp'); // round to the last one
    expect(active()).toBe('demo/long');
    await press('ArrowDown');
    await press('ArrowDown');
    await press('Enter');
    expect(has('models')).toBe(false);
    expect(document.activeElement).toBe(part('model'));
    const call = page.api.call('PATCH', 'threads/t');
    expect(call.body).toEqual({ model: 'lab/small' });
    await doing(() => call.answer({}));
    await open();
    expect(titles()[0]).toBe('Recently used');
    expect(values()[0]).toBe('lab/small');
  });

  it('closes by Escape, keeps the model and gives the focus back', async () => {
    await offer(REAL, { endpoints: ENDPOINTS });
    await open();
    await press('Escape');
    expect(has('models')).toBe(false);
    expect(document.activeElement).toBe(part('model'));
    expect(page.api.calls.some(call => call.method === 'PATCH')).toBe(false);
  });

  it('finds a model by words of its label, its id or its endpoint', async () => {
    await offer(REAL, { endpoints: ENDPOINTS });
    await open();
    await type('model-search', 'LAB sm');
    expect(values()).toEqual(['lab/small']);
    await type('model-search', 'canned');
    expect(values()).toEqual(DEMOS);
    await type('model-search', 'nothing');
    expect(part('models').textContent).toContain('No model matches.');
  });

  it('draws few of a thousand models, and finds each of them', async () => {
    const many = Array.from({ length: 1000 }, (_, index) => model(`lab/m${index}`));
    await offer([...many, ...DEMOS.map(id => model(id))], { endpoints: [endpoint('lab')] });
    await open();
    expect(options().length).toBeLessThan(60);
    expect(part('models').textContent).toContain('950 more models: search for one.');
    expect(titles()).toContain('Demo (canned answers)');
    await type('model-search', 'm999');
    expect(values()).toEqual(['lab/m999']);
  });

  it('tells why an endpoint cannot be reached, and what each model can', async () => {
    const dead = model('ollama', false, { error: 'Ollama is not running.' });
    const able = model('claude/big', true, { can: ['images', 'reasoning', 'flying'] });
    await offer([able, dead], { endpoints: [endpoint('claude'), endpoint('ollama')] });
    await open();
    expect(part('reason').textContent).toBe('Ollama is not running.');
    expect(options()[0]?.textContent).toBe('claude/big200k · images · reasoning');
  });

  it('leads from a model without its key to the field for the key', async () => {
    const keyless = endpoint('claude', { has_key: false });
    await offer([model('claude/big', false)], { endpoints: [keyless] });
    await open();
    await press('Enter');
    expect(page.api.calls.some(call => call.method === 'PATCH')).toBe(false);
    await type('key-field', ' sk-1 ');
    await doing(() => part('key-save').click());
    const call = page.api.call('PUT', 'endpoints/claude/key');
    expect(call.body).toEqual({ key: 'sk-1' });
    await doing(() => call.answer(null));
    await answerModels([model('claude/big', false)], [keyless]); // asked before the key was kept
    expect(page.api.call('GET', 'models?refresh=1')).toBeDefined();
    await answerModels([model('claude/big')], [endpoint('claude')]);
    expect(has('key')).toBe(false);
    expect(host.innerHTML).not.toContain('sk-1');
    expect(options()[0]?.ariaDisabled ?? options()[0]?.getAttribute('aria-disabled')).toBe('false');
  });

  it('stays open when its button asks for a key, and the key stays out of the page', async () => {
    const keyless = endpoint('claude', { has_key: false });
    await offer([model('claude/big', false)], { endpoints: [keyless] });
    await open();
    await doing(() => {
      part('enter-key').focus();
      part('enter-key').click();
    });
    expect(document.activeElement).toBe(part('key-field'));
    expect(part('enter-key').getAttribute('aria-expanded')).toBe('true');
    await type('key-field', 'sk-1');
    expect(host.innerHTML).not.toContain('sk-1');
    await doing(() => part('key-save').click());
    await doing(() => page.api.call('PUT', 'endpoints/claude/key').answer(null));
    await answerModels([model('claude/big', false)], [keyless]); // asked before the key was kept
    await answerModels([model('claude/big')], [endpoint('claude')]);
    expect(document.activeElement).toBe(part('model-search'));
  });

  it('lets a wrong key be replaced or removed', async () => {
    const wrong = endpoint('claude', { error: 'The key was refused.' });
    await offer([model('claude/big')], { endpoints: [wrong] });
    await open();
    expect(part('reason').textContent).toBe('The key was refused.Replace the key');
    await doing(() => part('enter-key').click());
    await doing(() => {
      part('key-remove').focus();
      part('key-remove').click();
    });
    await doing(() => page.api.call('DELETE', 'endpoints/claude/key').answer(null));
    await answerModels([model('claude/big')], [wrong]); // asked before the key was removed
    await answerModels([model('claude/big', false)], [endpoint('claude', { has_key: false })]);
    expect(has('key-remove')).toBe(false);
    expect(part('reason').textContent).toBe('Needs an API key.Enter a key');
    expect(document.activeElement).toBe(part('key-field'));
  });

  it('has nothing but options in its lists, and one of them is selected', async () => {
    page.threads.models.noteUse('lab/small');
    const wrong = endpoint('lab', { error: 'The key was refused.' });
    await offer(REAL, { endpoints: [endpoint('claude'), wrong], thread: { model: 'lab/small' } });
    await open();
    await doing(() => part('enter-key').click());
    const lists = [...host.querySelectorAll('[role=listbox]')];
    expect(lists.flatMap(list => [...list.children].map(it => it.role)).join()).toMatch(
      /^option(,option)*$/
    );
    expect(lists.length).toBe(titles().length);
    expect(part('model-search').getAttribute('aria-controls')?.split(' ')).toEqual(
      lists.map(list => list.id)
    );
    expect(values().filter(value => value === 'lab/small').length).toBe(2);
    expect(host.querySelectorAll('[aria-selected=true]').length).toBe(1);
  });

  it('asks for no key where the page may not set one', async () => {
    const locked = endpoint('claude', { has_key: false, can_set_key: false, error: 'Ask Ada.' });
    await offer([model('claude/big', false)], { endpoints: [locked] });
    await open();
    await press('Enter');
    expect(has('key')).toBe(false);
    expect(part('reason').textContent).toBe('Ask Ada.');
  });

  it('keeps what is known while it looks again', async () => {
    await offer(REAL, { endpoints: ENDPOINTS });
    await open();
    await doing(() => part('refresh').click());
    expect(part('refresh').ariaLabel ?? part('refresh').getAttribute('aria-label')).toBe(
      'Looking for models…'
    );
    expect(values().length).toBe(REAL.length);
  });
});

describe('the parameters of a thread', () => {
  const effort = { name: 'effort', kind: 'choice', choices: ['low', 'high'] };
  const heat = { name: 'temperature', kind: 'number', choices: [], least: 0, most: 2 };
  const able = model('claude/big', true, { parameters: [effort, heat] });
  const other = model('lab/small', true, { parameters: [heat] });

  it('are set one at a time, in their range, and reset', async () => {
    const thread = { model: 'claude/big', params: { effort: 'low' } };
    await offer([able], { endpoints: ENDPOINTS, thread });
    expect(part('parameters').title).toBe('Parameters, Effort: low');
    await doing(() => part('parameters').click());
    const leave = () =>
      doing(() =>
        part('parameter-temperature').dispatchEvent(new FocusEvent('focusout', { bubbles: true }))
      );
    await type('parameter-temperature', '3');
    await leave();
    expect(part('parameter-temperature').getAttribute('aria-invalid')).toBe('true');
    expect(page.api.calls.some(call => call.method === 'PATCH')).toBe(false);
    await type('parameter-temperature', '1.5');
    await leave();
    const params = { effort: 'low', temperature: 1.5 };
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({ params });
    await doing(() => page.api.call('PATCH', 'threads/t').answer({}));
    await doing(() => part('parameters-reset').click());
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({ params: {} });
  });

  it('are left out when the new model does not take them, and the page says so', async () => {
    const params = { effort: 'low', temperature: 1 };
    await offer([able, other], {
      endpoints: ENDPOINTS,
      thread: { model: 'claude/big', params }
    });
    await open();
    await type('model-search', 'small');
    await press('Enter');
    const call = page.api.call('PATCH', 'threads/t');
    expect(call.body).toEqual({ model: 'lab/small', params: { temperature: 1 } });
    await doing(() => call.answer({}));
    const told = part('dropped').querySelector('[role=status]');
    expect(told?.textContent).toBe('claude/big takes no Effort, so it was removed.');
    await doing(() => part('dropped-hide').click());
    expect(has('dropped')).toBe(false);
    expect(document.activeElement).toBe(part('field'));
  });

  /** The thread's event about its parameters, as every page gets it. */
  async function told(params: Params, index = 0): Promise<void> {
    const seq = conversation().length + 1 + index;
    const [first] = conversation() as { thread?: object }[];
    const thread = { ...first?.thread, model: 'claude/big', params };
    await arrive([{ ...first, seq, thread }]);
  }

  const patches = () => page.api.calls.filter(call => call.method === 'PATCH');

  async function openPanel(params: Params = {}): Promise<void> {
    await offer([able], { endpoints: ENDPOINTS, thread: { model: 'claude/big', params } });
    await doing(() => part('parameters').click());
  }

  const choose = (value: string): Promise<void> =>
    doing(() => {
      const field = part('parameter-effort') as HTMLSelectElement;
      field.value = value;
      field.dispatchEvent(new Event('change', { bubbles: true }));
    });

  it('leave the focus and the text to who types, whatever arrives', async () => {
    await openPanel();
    expect(document.activeElement).toBe(part('parameter-effort'));
    await doing(() => part('parameter-temperature').focus());
    await type('parameter-temperature', '1');
    await told({ effort: 'low', temperature: 0.5 });
    expect(document.activeElement).toBe(part('parameter-temperature'));
    expect((part('parameter-effort') as HTMLSelectElement).value).toBe('low');
    expect((part('parameter-temperature') as HTMLInputElement).value).toBe('1');
    await type('parameter-temperature', '');
    await type('parameter-temperature', '0.5');
    await doing(() => part('parameter-temperature').blur());
    await told({ effort: 'low', temperature: 0.7 }, 1);
    expect((part('parameter-temperature') as HTMLInputElement).value).toBe('0.7');
  });

  it('show a choice at once, and take it back if it is refused', async () => {
    await openPanel();
    const field = part('parameter-effort') as HTMLSelectElement;
    await choose('high');
    expect(field.value).toBe('high');
    expect(document.activeElement).toBe(field);
    const { ApiError } = await import('../src/api');
    await doing(() => patches()[0]?.fail(new ApiError(400, 'invalid_input', 'Not this one.')));
    expect(field.value).toBe('');
    expect(part('problem').textContent).toContain('Not this one.');
  });

  it('are changed one request at a time, and none deletes another change', async () => {
    await openPanel();
    await choose('high');
    await type('parameter-temperature', '1.5');
    await doing(() => part('parameter-temperature').focus());
    await doing(() => part('parameter-temperature').blur());
    expect(patches().map(call => call.body)).toEqual([{ params: { effort: 'high' } }]);
    await doing(() => patches()[0]?.answer({})); // its event comes later
    const params = { effort: 'high', temperature: 1.5 };
    expect(patches()[1]?.body).toEqual({ params });
    await told({ effort: 'high' });
    await doing(() => patches()[1]?.answer({}));
    await told(params, 1);
    await told({ effort: 'low' }, 2); // somebody else
    expect((part('parameter-effort') as HTMLSelectElement).value).toBe('low');
    expect((part('parameter-temperature') as HTMLInputElement).value).toBe('');
  });

  it('go with the next model, also while their request is under way', async () => {
    const thread = { model: 'claude/big' };
    await offer([able, other], { endpoints: ENDPOINTS, thread });
    await doing(() => part('parameters').click());
    await choose('high');
    await open();
    await type('model-search', 'small');
    await press('Enter');
    expect(patches().length).toBe(1);
    await doing(() => patches()[0]?.answer({}));
    expect(patches()[1]?.body).toEqual({ model: 'lab/small', params: {} });
  });

  it('are kept when the reader clicks elsewhere', async () => {
    await openPanel();
    await doing(() => part('parameter-temperature').focus());
    await type('parameter-temperature', '1.5');
    await doing(() =>
      document.body.dispatchEvent(new MouseEvent('pointerdown', { bubbles: true }))
    );
    expect(has('parameters-panel')).toBe(false);
    expect(patches()[0]?.body).toEqual({ params: { temperature: 1.5 } });
  });

  it('are not reset by what is no number, and their range is told in words', async () => {
    await openPanel({ temperature: 1 });
    const field = part('parameter-temperature') as HTMLInputElement;
    await doing(() => field.focus());
    // As a browser tells of "1e": the text is empty, and it is bad input.
    Object.defineProperty(field, 'validity', { value: { badInput: true } });
    await type('parameter-temperature', '');
    await doing(() => field.blur());
    expect(field.getAttribute('aria-invalid')).toBe('true');
    expect(patches()).toEqual([]);
    const range = document.getElementById(field.getAttribute('aria-describedby') ?? '');
    expect(range?.textContent).toBe('from 0 to 2');
  });

  it('have no button where the model takes none', async () => {
    await offer([model('claude/big')], { thread: { model: 'claude/big' } });
    expect(has('parameters')).toBe(false);
  });
});

describe('the card of a first run', () => {
  const keyless = endpoint('claude', { has_key: false });
  const EMPTY_THREAD = () => conversation().slice(0, 1);

  async function empty(models: readonly Wire[], endpoints: object[] = [keyless]): Promise<void> {
    await show();
    await arrive(EMPTY_THREAD());
    await answerModels(models, endpoints);
  }

  it('stands in an empty chat while only the demo answers', async () => {
    await empty([model('claude/big', false), model('demo/tour')]);
    expect(has('first-run')).toBe(true);
    await arrive(conversation().slice(1, 3));
    expect(has('first-run')).toBe(false);
  });

  it('is not there where a real model is ready', async () => {
    await empty([model('lab/small'), model('demo/tour')]);
    expect(has('first-run')).toBe(false);
  });

  it('keeps a key and gives the thread the first model that it opens', async () => {
    await empty([model('claude/big', false), model('demo/tour')]);
    await type('key-field', 'sk-1');
    await doing(() => part('key-save').click());
    await doing(() => page.api.call('PUT', 'endpoints/claude/key').answer(null));
    await answerModels([model('claude/big'), model('demo/tour')], [endpoint('claude')]);
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({ model: 'claude/big' });
    expect(has('first-run')).toBe(false);
  });

  it("shows the server's reason for a refused key, and keeps the text", async () => {
    await empty([model('claude/big', false)]);
    await type('key-field', 'sk 1');
    await doing(() => part('key-save').click());
    const { ApiError } = await import('../src/api');
    const refusal = new ApiError(400, 'invalid_input', 'This cannot be a key.');
    await doing(() => page.api.call('PUT', 'endpoints/claude/key').fail(refusal));
    expect(part('key-problem').textContent).toBe('This cannot be a key.');
    expect((part('key-field') as HTMLInputElement).value).toBe('sk 1');
  });

  it('finds a local server that was started meanwhile', async () => {
    await empty([model('demo/tour')]);
    await doing(() => part('first-run-refresh').click());
    await answerModels([model('ollama/qwen'), model('demo/tour')]);
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({ model: 'ollama/qwen' });
  });

  it('writes a first question for the demo, and does not send it', async () => {
    await empty([model('demo/tour')]);
    await doing(() => part('first-run-demo').click());
    expect((part('field') as HTMLTextAreaElement).value).toBe(ENGLISH.trans.__('Show me around.'));
    expect(page.api.calls.some(call => call.method === 'POST')).toBe(false);
  });

  it('asks for no key where an administrator has turned it off', async () => {
    await empty(
      [model('claude/big', false)],
      [endpoint('claude', { has_key: false, can_set_key: false })]
    );
    expect(has('key-field')).toBe(false);
    expect(part('first-run').textContent).toContain('Ask the administrator of this server.');
  });

  it('shows why a key does not work, and offers to replace or remove it', async () => {
    await empty([model('claude/big', false), model('demo/tour')]);
    await type('key-field', 'sk-wrong');
    await doing(() => part('key-save').click());
    await doing(() => page.api.call('PUT', 'endpoints/claude/key').answer(null));
    const dead = model('claude', false, { error: 'The key was refused.' });
    await answerModels([dead], [endpoint('claude', { error: 'The key was refused.' })]);
    expect(part('endpoint-error').textContent).toBe('The key was refused.');
    expect(part('first-run').textContent).toContain('Replace the key');
    expect(part('key-remove').textContent).toBe('Remove the key');
    const field = part('key-field') as HTMLInputElement;
    expect([field.value, document.activeElement]).toEqual(['', field]);
  });

  it('leads on to the message field once a key works', async () => {
    await empty([model('claude/big', false), model('demo/tour')]);
    await type('key-field', 'sk-1');
    await doing(() => part('key-field').focus());
    await doing(() => part('key-save').click());
    await doing(() => page.api.call('PUT', 'endpoints/claude/key').answer(null));
    await answerModels([model('claude/big')], [endpoint('claude')]);
    expect(document.activeElement).toBe(part('field'));
  });

  it('says that no model was found, or why it could not look', async () => {
    await empty([model('demo/tour')]);
    await doing(() => part('first-run-refresh').click());
    await answerModels([model('demo/tour')]);
    expect(part('first-run-status').textContent).toBe('No model was found.');
    await doing(() => part('first-run-refresh').click());
    const { ApiError } = await import('../src/api');
    const failure = new ApiError(500, 'internal', 'The server has failed.');
    await doing(() => page.api.call('GET', 'models?refresh=1').fail(failure));
    expect(part('first-run-status').textContent).toContain('The server has failed.');
  });

  it('offers the demo only where it may be asked', async () => {
    await empty([model('claude/big', false)]);
    expect(has('first-run')).toBe(true);
    expect(has('first-run-demo')).toBe(false);
  });
});
