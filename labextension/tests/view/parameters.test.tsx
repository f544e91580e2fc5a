import { describe, expect, it } from 'vitest';

import { type Params } from '../../src/models/offer';
import { conversation } from '../fakes';
import { model, offer, doing, open, press, type, ENDPOINTS } from '../offering';
import { arrive, has, page, part, useStage } from '../stage';

useStage();

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
    expect(told?.textContent).toBe('claude/big does not accept Effort, so it was removed.');
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
    const { ApiError } = await import('../../src/connection/api');
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
