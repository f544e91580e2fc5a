import { describe, expect, it } from 'vitest';

import {
  DEMOS,
  model,
  endpoint,
  offer,
  answerModels,
  doing,
  open,
  options,
  values,
  titles,
  active,
  press,
  type,
  REAL,
  ENDPOINTS
} from '../offering';
import { has, host, page, part, useStage } from '../stage';

useStage();

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
