import { describe, expect, it } from 'vitest';

import { type FindHit, ThreadFinder, countIn } from '../../src/fold/find';
import { type Message, type Part } from '../../src/protocol/records';
import { rangesIn, rangesNear } from '../../src/view/log/find-ranges';

const message = (id: string, role: 'user' | 'assistant', ...parts: Part[]) =>
  ({ id, role, parts }) as unknown as Message;
const text = (value: string): Part => ({ kind: 'text', text: value });

function found(query: string, ...messages: Message[]): readonly FindHit[] {
  return search(new ThreadFinder(query), messages).hits;
}

function search(finder: ThreadFinder, messages: readonly Message[]) {
  const work = finder.search(messages);
  let steps = 0;
  for (let next = work.next(); ; next = work.next(), steps += 1) {
    if (next.done === true) {
      return { hits: next.value, steps };
    }
  }
}

describe('Finding in a thread', () => {
  it('counts places in their order, without overlaps and whatever their capitals', () => {
    expect(countIn('aaaa', 'aa')).toBe(2);
    expect(countIn('', 'a')).toBe(0);
    expect(countIn('a', '')).toBe(0);
    const hits = found(
      'fox',
      message('q', 'user', text('A Fox?')),
      message('a', 'assistant', text('FOX and fox')),
      message('b', 'assistant', text('none'))
    );
    expect(hits.map(hit => `${hit.messageId}${hit.index}`)).toEqual(['q0', 'a0', 'a1']);
  });

  it('reads an answer as it is drawn and a question as it was typed', () => {
    const marked = text('It is very **important** [now](https://example.org/hidden) &amp; `x`');
    expect(found('very important now & x', message('a', 'assistant', marked)).length).toBe(1);
    expect(found('**important**', message('a', 'assistant', marked)).length).toBe(0);
    expect(found('hidden', message('a', 'assistant', marked)).length).toBe(0);
    expect(found('**important**', message('q', 'user', marked)).length).toBe(1);
  });

  it('finds in lists, tables, code and folded reasoning', () => {
    const parts = [
      { kind: 'reasoning', text: 'needle one' } as Part,
      text('- needle two\n\n| a | b |\n|---|---|\n| needle | three |\n\n```py\nneedle = 4\n```\n')
    ];
    expect(found('needle', message('a', 'assistant', ...parts)).length).toBe(4);
    expect(
      found('needle', message('a', 'assistant', { kind: 'note', text: 'a needle' })).length
    ).toBe(1);
  });

  it('finds nothing with an empty query or one of blanks', () => {
    expect(found('', message('a', 'assistant', text('a b')))).toEqual([]);
    expect(found('  ', message('a', 'assistant', text('a  b')))).toEqual([]);
  });

  it('searches only messages that it has not searched before', () => {
    const finder = new ThreadFinder('a');
    const first = [message('1', 'user', text('a')), message('2', 'user', text('b'))];
    expect(search(finder, first).steps).toBe(2);
    const more = [...first, message('3', 'user', text('a'))];
    const again = search(finder, more);
    expect(again.steps).toBe(1);
    expect(again.hits.length).toBe(2);
  });
});

describe('The marked places', () => {
  it('are those around the one that is looked at, however many there are', () => {
    const row = document.createElement('div');
    row.innerHTML = `<div data-testid="content"><p>${'an ant '.repeat(50_000)}</p><p>last ant</p></div>`;
    const begun = performance.now();
    const near = rangesNear(row, 'an', 60_000);
    expect(performance.now() - begun).toBeLessThan(1_000);
    expect(near.length).toBe(500);
    expect(near[250]?.startOffset).toBe(30_000 * 7);
    expect(rangesIn(row, 'last', 0, 1).map(String)).toEqual(['last']);
    expect(rangesNear(row, 'an', 2).length).toBe(252);
  });
});
