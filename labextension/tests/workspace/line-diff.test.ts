// @vitest-environment node
// The lines that differ between the sources of a cell, as a person sees them.
import { describe, expect, it } from 'vitest';

import { lineDiff } from '../../src/workspace/line-diff';
import { Reviews, answerOf } from '../../src/workspace/reviews';

const SIGN = { same: ' ', added: '+', removed: '-' };
const diff = (before: string | null, after: string | null): readonly string[] =>
  lineDiff(before, after).map(
    ({ kind, pieces }) => SIGN[kind] + pieces.map(({ text }) => text).join('')
  );
const marks = (before: string, after: string): readonly string[] =>
  lineDiff(before, after).flatMap(({ pieces }) =>
    pieces.filter(({ isChanged }) => isChanged).map(({ text }) => text)
  );

describe('the lines of a change', () => {
  it('keep what both texts have, in its place', () => {
    expect(diff('a\nb\nc\nd', 'a\nc\nx\nd\ne')).toEqual([' a', '-b', ' c', '+x', ' d', '+e']);
    expect(diff('a', 'a')).toEqual([' a']);
    expect(diff('a\nb', 'b\na')).toEqual(['-a', ' b', '+a']);
  });

  it('are all new for a new cell, and all removed for one that goes, even if it is empty', () => {
    expect(diff(null, 'a\nb')).toEqual(['+a', '+b']);
    expect(diff('a', null)).toEqual(['-a']);
    expect(diff('', null)).toEqual(['-']);
    expect(diff('', 'a')).toEqual(['-', '+a']);
  });

  it('give both texts again, whatever they are', () => {
    let seed = 3;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return (seed >> 8) % below;
    };
    const text = (): string =>
      Array.from({ length: random(8) }, () => 'ab c🐍'[random(4)] ?? '').join('\n');
    for (let turn = 0; turn < 300; turn += 1) {
      const [before, after] = [text(), text()];
      const lines = diff(before, after);
      const without = (sign: string): string =>
        lines
          .filter(line => !line.startsWith(sign))
          .map(line => line.slice(1))
          .join('\n');
      expect([without('+'), without('-')]).toEqual([before, after]);
    }
  });

  it('mark what differs within a line that is replaced by one', () => {
    expect(marks('df = load("a")', 'df = load("all")')).toEqual(['ll']);
    expect(marks('x = 1', 'x = 2')).toEqual(['1', '2']);
    expect(marks('x = 1', 'print(y)')).toEqual([]);
    expect(marks('x = "🐍"', 'x = "🐊"')).toEqual(['🐍', '🐊']);
  });

  it('of very long texts are all replaced, in little time', () => {
    const long = (letter: string): string =>
      Array.from({ length: 5_000 }, (_, at) => `${letter}${at}`).join('\n');
    expect(lineDiff(long('a'), long('b')).length).toBe(10_000);
  });
});

describe('the choices for cells', () => {
  it('are an answer when none is missing', () => {
    const reviews = new Reviews();
    let told = 0;
    reviews.subscribe(() => (told += 1));
    expect(reviews.choose('q', 'a', true, ['a', 'b'])).toBeNull();
    expect(reviews.of('q')).toBe(reviews.of('q'));
    expect(reviews.choose('q', 'b', false, ['a', 'b'])).toEqual({
      choice: 'some',
      accepted: ['a']
    });
    expect(reviews.choose('q', 'b', true, ['a', 'b'])).toBe('once');
    expect(answerOf(new Map([['a', false]]), ['a'])).toBe('no');
    expect(told).toBe(3);
    reviews.choose('rest', 'a', false, ['a', 'b']);
    expect(reviews.rest('rest', true)).toEqual({ choice: 'some', accepted: ['b'] });
    expect(reviews.rest('rest', false)).toBe('no');
    expect([reviews.rest('none', true), reviews.rest('none', false)]).toEqual(['once', 'no']);
    expect(reviews.of('another').size).toBe(0);
  });
});
