import { readFileSync } from 'node:fs';

import { act } from 'react';
import { describe, expect, it } from 'vitest';

import { type Message, type ModelList } from '../../src/protocol/records';
import { languageOf } from '../../src/text/language';
import { hasPrice, parseUsage, usageOf } from '../../src/thread/usage';
import { costText, shareText, tokensText } from '../../src/view/models/usage-text';
import { ENGLISH, conversation, flushPromises } from '../fakes';
import { arrive, has, host, page, part, show, useStage } from '../stage';

const PATH = 'threads/t/usage';
const COUNTS = {
  input_tokens: 1_000,
  output_tokens: 200,
  cache_read_tokens: 30,
  cache_write_tokens: 4
};

/** The conversation, whose answer has this usage. */
function talk(usage: object | null, from = 0, upto = 100): readonly object[] {
  return conversation()
    .map(event => ('usage' in event && 'stop_reason' in event ? { ...event, usage } : event))
    .slice(from, upto);
}

function sums(change: object = {}, context: object | null = null): object {
  const total = { ...COUNTS, answers: 2, cost_usd: 0.0123, unknown_cost: 0, ...change };
  return { thread_id: 't', total, models: [], context };
}

async function answer(path: string, value: object): Promise<void> {
  await act(async () => {
    page.api.call('GET', path).answer(value);
    await flushPromises();
  });
}

/** The models of the page: one with a price, one of this machine. */
const MODELS = {
  models: [
    { id: 'demo/tour', provider: 'demo', endpoint: null, label: 'Tour', canned: true },
    { id: 'openai/big', provider: 'openai', endpoint: 'openai', label: 'Big' },
    { id: 'ollama/small', provider: 'ollama', endpoint: 'ollama', label: 'Small' }
  ],
  endpoints: [
    { name: 'openai', title: 'OpenAI', is_local: false },
    { name: 'ollama', title: 'Ollama', is_local: true }
  ],
  default: null
} as unknown as ModelList;

describe('the words of a usage', () => {
  it('are numbers of the language of the page', () => {
    expect(tokensText(1, ENGLISH)).toBe('1 token');
    expect(tokensText(1_234_567, ENGLISH)).toBe('1,234,567 tokens');
    const german = { ...languageOf(null), locale: 'de' };
    expect(tokensText(1_234_567, german)).toBe('1.234.567 tokens');
    expect(shareText(0.849, ENGLISH)).toBe('85%');
  });

  it.each([
    [0, '$0.00'],
    [0.00002, 'less than $0.0001'],
    [0.000123, '$0.00012'],
    [0.01234, '$0.012'],
    [0.999, '$1'],
    [1.5, '$1.50'],
    [1234.567, '$1,234.57']
  ])('never round a cost of %d to nothing', (cost, text) => {
    expect(costText(cost, ENGLISH)).toBe(text);
  });
});

describe('the usage of a message', () => {
  const of = (usage: unknown) => usageOf({ usage } as Message);

  it('is null if no tokens were counted, whatever stands there', () => {
    expect(of(null)).toBeNull();
    expect(of({})).toBeNull();
    expect(of({ input_tokens: '12', output_tokens: -1, cost_usd: 1 })).toBeNull();
  });

  it('has a cost only if there is a number', () => {
    expect(of({ output_tokens: 1 })?.cost_usd).toBeNull();
    expect(of({ output_tokens: 1, cost_usd: null })?.cost_usd).toBeNull();
    expect(of({ output_tokens: 1, cost_usd: 0 })?.cost_usd).toBe(0);
  });

  it('has a price unless its model runs on this machine or is canned', () => {
    expect(hasPrice('openai/big', MODELS)).toBe(true);
    expect(hasPrice('ollama/small', MODELS)).toBe(false);
    expect(hasPrice('demo/tour', MODELS)).toBe(false);
    expect(hasPrice('openai/other', MODELS)).toBeNull();
    expect(hasPrice('openai/big', null)).toBeNull();
  });

  it('of a thread is checked where it arrives', () => {
    expect(() => parseUsage([])).toThrow('The usage');
    expect(() => parseUsage({ total: 1, context: null })).toThrow('The total');
    const context = { model: 'm', used_tokens: 5, context_tokens: null, prompt_tokens: null };
    expect(parseUsage(sums({ cost_usd: null }, context))).toEqual({
      total: { ...COUNTS, answers: 2, cost_usd: null, unknown_cost: 0 },
      context
    });
  });
});

describe('the line below an answer', () => {
  useStage();

  it('keeps its place from the first text on, and tells tokens and cost at the end', async () => {
    await show();
    await arrive(talk(null, 0, 6));
    expect(host.querySelectorAll('.jp-ChatStream-usage')).toHaveLength(1);
    expect(has('usage')).toBe(false);
    await arrive(talk({ ...COUNTS, cost_usd: 0.0123 }, 6));
    expect(host.querySelectorAll('.jp-ChatStream-usage')).toHaveLength(1);
    expect(part('usage').querySelector('button')?.textContent).toBe('1,234 tokens · $0.012');
  });

  it('has the details for who hovers, focuses or listens', async () => {
    await show();
    await arrive(talk({ ...COUNTS, cost_usd: 0.0123 }));
    const rows = [...part('usage-details').children].map(row => row.textContent);
    expect(rows).toEqual([
      'input 1,000',
      'from cache 30',
      'into cache 4',
      'output 200',
      'cost $0.012',
      'model demo/tour'
    ]);
    const button = part('usage').querySelector('button');
    expect(button?.getAttribute('aria-label')).toContain('1,234 tokens, $0.012');
    expect(button?.getAttribute('aria-expanded')).toBe('false');
    await act(async () => button?.click());
    expect(button?.getAttribute('aria-expanded')).toBe('true');
  });

  it('never tells an unknown cost as 0', async () => {
    await show();
    await arrive(talk(COUNTS));
    expect(part('usage').textContent).not.toContain('$');
    expect(part('usage-details').textContent).toContain('cost unknown');
  });

  it('tells that a cost is unknown where the model has a price', async () => {
    await show();
    const said = JSON.stringify(talk(COUNTS)).replaceAll('demo/tour', 'openai/big');
    await arrive(JSON.parse(said) as object[]);
    await answer('models', MODELS);
    expect(part('usage').querySelector('button')?.textContent).toBe('1,234 tokens · cost unknown');
  });

  it('keeps its place where nothing was counted, so that the end moves nothing', async () => {
    await show();
    await arrive(talk(null));
    expect(host.querySelectorAll('.jp-ChatStream-usage')).toHaveLength(1);
    expect(has('usage')).toBe(false);
  });

  it('hides its details from screen readers until they are seen', async () => {
    const style = document.createElement('style');
    style.textContent = readFileSync('style/base.css', 'utf8');
    document.head.append(style);
    await show();
    await arrive(talk(COUNTS));
    const visibility = () => getComputedStyle(part('usage-details')).visibility;
    expect(visibility()).toBe('hidden');
    await act(async () => part('usage').querySelector('button')?.click());
    expect(visibility()).toBe('visible');
    style.remove();
  });
});

describe('the line below the composer', () => {
  useStage();

  it('asks for the sums once an answer has ended, and not before', async () => {
    await show();
    await arrive(talk(COUNTS, 0, 8));
    const asked = () => page.api.calls.filter(call => call.path === PATH);
    expect(asked()).toHaveLength(0);
    await arrive(talk(COUNTS, 8));
    expect(asked()).toHaveLength(1);
    await answer(PATH, sums());
    expect(part('thread-sum').textContent).toBe('1,234 tokens · $0.012');
    expect(asked()).toHaveLength(1);
  });

  it('keeps its place while it is empty', async () => {
    await show();
    await arrive(talk(null, 0, 1));
    expect(part('thread-usage').textContent).toBe('');
  });

  it('tells of how many answers the cost is unknown', async () => {
    await show();
    await arrive(talk(COUNTS));
    await answer(PATH, sums({ answers: 5, unknown_cost: 3 }));
    expect(part('thread-sum').textContent).toBe(
      '1,234 tokens · $0.012 · cost of 3 answers unknown'
    );
  });

  it.each([
    ['demo/tour', 0, '1,234 tokens'],
    ['demo/tour', 2, '1,234 tokens · cost unknown'],
    ['openai/big', 0, '1,234 tokens'],
    ['openai/big', 1, '1,234 tokens · cost of 1 answer unknown']
  ])(
    'tells the costs of its answers, whatever the model is now: %s, %d',
    async (model, unknown, text) => {
      await show();
      await arrive(
        JSON.parse(JSON.stringify(talk(COUNTS)).replaceAll('demo/tour', model)) as object[]
      );
      await answer('models', MODELS);
      await answer(PATH, sums({ cost_usd: null, unknown_cost: unknown }));
      expect(part('thread-sum').textContent).toBe(text);
    }
  );

  const near = async (used: number, size: object) => {
    await show();
    await arrive(talk(COUNTS));
    await answer(PATH, sums({}, { model: 'm', used_tokens: used, context_tokens: 2_000, ...size }));
  };

  it('has a meter of what the model reads', async () => {
    await near(500, { prompt_tokens: 1_000 });
    expect(part('context').getAttribute('role')).toBe('meter');
    expect(part('context').getAttribute('aria-valuenow')).toBe('50');
    expect(part('context-warning').textContent).toBe('');
  });

  it('warns from 80 % on', async () => {
    await near(850, { prompt_tokens: 1_000 });
    expect(part('context-warning').textContent).toBe(
      'This chat has used 85% of what the model reads; older messages will be left out.'
    );
    expect(part('context-warning').hasAttribute('role')).toBe(false); // nothing but the announcer speaks
  });

  it('tells that messages are left out once the context is full', async () => {
    await near(1_200, { prompt_tokens: 1_000 });
    expect(part('context').getAttribute('aria-valuenow')).toBe('100');
    expect(part('context-warning').textContent).toContain('are left out');
  });

  it('has no meter where nobody knows the size of the model', async () => {
    await near(850, { prompt_tokens: null, context_tokens: null });
    expect(has('context')).toBe(false);
    expect(has('thread-sum')).toBe(true);
  });

  it('keeps the old sums where a request fails', async () => {
    await show();
    await arrive(talk(COUNTS));
    await act(async () => {
      page.api.call('GET', PATH).fail(new Error('away'));
      await flushPromises();
    });
    expect(part('thread-usage').textContent).toBe('');
    expect(has('problem')).toBe(false);
  });
});
