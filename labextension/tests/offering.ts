/** The models and endpoints that a test's server offers, and what a person does with them. */

import { act } from 'react';

import { conversation, flushPromises } from './fakes';
import { arrive, host, page, part, show } from './stage';

export const DEMOS = ['demo/tour', 'demo/echo', 'demo/long'];

export type Wire = Readonly<Record<string, unknown>>;

export const model = (id: string, ready = true, more: object = {}): Wire => ({
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

export const endpoint = (name: string, more: object = {}): object => ({
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

export async function offer(
  models: readonly Wire[],
  { endpoints = [], thread = {} }: { endpoints?: object[]; thread?: object } = {}
): Promise<void> {
  const [first, ...rest] = conversation() as { thread?: object }[];
  await show();
  await arrive([{ ...first, thread: { ...first?.thread, ...thread } }, ...rest]);
  await answerModels(models, endpoints);
}

export async function answerModels(
  models: readonly Wire[],
  endpoints: object[] = []
): Promise<void> {
  await act(async () => {
    page.api.calls
      .filter(call => call.path.startsWith('models'))
      .forEach(call => call.answer({ models, endpoints, default: null }));
    await flushPromises();
  });
}

export async function doing(action: () => void): Promise<void> {
  await act(async () => {
    action();
    await flushPromises();
  });
}

export const open = (): Promise<void> => doing(() => part('model').click());
export const options = () => [...host.querySelectorAll<HTMLElement>('[data-testid=model-option]')];
export const values = () => options().map(option => option.dataset['value']);
export const titles = () =>
  [...host.querySelectorAll('.jp-ChatStream-groupTitle')].map(node => node.textContent);
export const active = () => {
  const id = part('model-search').getAttribute('aria-activedescendant') ?? '';
  return document.getElementById(id)?.dataset['value'];
};
export const press = (key: string): Promise<void> =>
  doing(() =>
    part('model-search').dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))
  );

export async function type(testid: string, text: string): Promise<void> {
  await doing(() => {
    const field = part(testid) as HTMLInputElement;
    const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set;
    set?.call(field, text);
    field.dispatchEvent(new Event('input', { bubbles: true }));
  });
}

export const REAL = [model('claude/big'), model('lab/small'), ...DEMOS.map(id => model(id))];
export const ENDPOINTS = [endpoint('claude'), endpoint('lab')];
