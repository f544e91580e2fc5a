import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { withoutUndecidedEnd } from '../../src/view/drawing/undecided-end';
import { drawn } from '../drawn';

/** A small generator of numbers: the same ones each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const PIECES = [
  'word ',
  'two words\n',
  '\n\n',
  '\n',
  '- item\n',
  '  - inner\n',
  '1. one\n',
  '3. three\n',
  '> quote\n',
  '> - in it\n',
  '# Head\n',
  '===\n',
  '---\n',
  '```py\ncode\n',
  '```\n',
  '~~~\n',
  '    indented\n',
  '| a | b |\n',
  '|---|:-:|\n',
  '| 1 | $2 | 3 |\n',
  '**bold** ',
  '**open ',
  '*em* ',
  '_under_ ',
  '~~gone~~ ',
  '`code` ',
  '`` a`b `` ',
  '`open ',
  '[a](https://b.c) ',
  '[a] ',
  '[b][a] ',
  '[a]: https://x.y "t"\n',
  '[^1] ',
  '[^1]: note\n',
  '![p](https://p.q/r.png) ',
  '<details>\n',
  '<summary>Sum</summary>\n',
  '</details>\n',
  '<sub>2</sub> ',
  '<kbd>',
  '</kbd>',
  '<br>',
  '<table>\n<tr><td>x</td></tr>\n',
  '</table>\n',
  '<your-key> ',
  'List<int> ',
  '$x$ ',
  '$5 ',
  '$$\ny\n$$\n',
  '$$z$$ ',
  '\\(a\\) ',
  '\\[\nb\n\\]\n',
  '\\$ ',
  '- [ ] task\n',
  '- [x] done\n',
  'https://a.b/c_d ',
  'www.a.b ',
  '&amp; ',
  '\\',
  '<',
  '&',
  '重要：**请** ',
  'مرحبا ',
  '\t',
  '  ',
  '\r\n',
  '😀'
];

const ROWS = [
  '| a | b |',
  '| 1 |',
  '| x | y | z |',
  'no bar',
  '|  |  |',
  '|',
  '  | in | dented |',
  '| \\| | `a \\| b` |',
  '| [later] | [^n] |',
  '| سطر | صف |',
  '| **open | close** |',
  '| $1 | $2 |',
  '|---|---|',
  '> | q | r |'
];
const AROUND = ['', 'Before\n', '- item\n\n', '> quote\n\n', '\r\n', '# Head\n', '<details>\n\n'];
const BEHIND = ['', '\nafter', '\n\n[later]: /x\n', '\n\n[^n]: note\n', '\n- item', '\n```\ncode'];

/** A table of random rows, with something before and after it. */
function tableOf(seed: number): string {
  const next = numbers(seed);
  const pick = (of: readonly string[]): string => of[next(of.length)] ?? '';
  const end = pick(['\n', '\n', '\r\n', '\r']);
  const head = pick(['| h | k |', '| 1 | 2 |', ' | h | k |', 'h | k', '| رأس | 1 |']);
  const rows = Array.from({ length: next(24) }, () => pick(ROWS));
  return pick(AROUND) + [head, '|---|:-:|', ...rows].join(end) + pick(BEHIND);
}

/** A document of random pieces; words are numbered, so that each is known. */
function documentOf(seed: number): string {
  const next = numbers(seed);
  const length = 3 + next(30);
  return Array.from({ length }, () => PIECES[next(PIECES.length)] ?? '').join('');
}

function cutsOf(text: string, seed: number): number[] {
  const next = numbers(seed);
  return Array.from({ length: next(9) }, () => next(text.length + 1)).sort((a, b) => a - b);
}

/** What stands on the page, without what only says where the cursor is. */
function htmlOf(host: HTMLElement): string {
  return host.innerHTML;
}

describe('a text that grows', () => {
  it('is drawn from any pieces as it is drawn from the whole', async () => {
    for (let seed = 1; seed <= 1_500; seed += 1) {
      const text = documentOf(seed);
      const cuts = cutsOf(text, seed + 7);
      const whole = htmlOf(await drawn(text));
      expect(htmlOf(await drawn(text, cuts)), JSON.stringify({ text, cuts })).toBe(whole);
    }
  }, 60_000);

  it('is drawn character by character as it is drawn from the whole', async () => {
    for (let seed = 5_001; seed <= 5_060; seed += 1) {
      const text = documentOf(seed);
      const cuts = Array.from({ length: text.length }, (_, cut) => cut);
      expect(htmlOf(await drawn(text, cuts)), JSON.stringify(text)).toBe(htmlOf(await drawn(text)));
    }
  }, 60_000);

  it('draws a table row by row as it draws it whole', async () => {
    for (let seed = 20_001; seed <= 20_600; seed += 1) {
      const text = tableOf(seed);
      const cuts = seed % 10 === 0 ? [...text].map((_, cut) => cut) : cutsOf(text, seed + 7);
      const whole = htmlOf(await drawn(text));
      expect(htmlOf(await drawn(text, cuts)), JSON.stringify({ text, cuts })).toBe(whole);
    }
  }, 60_000);

  it('fills up short rows of a growing table as far as of a whole one', async () => {
    const head = `${'| h '.repeat(40)}|\n${'|---'.repeat(40)}|\n`;
    const text = `${head}${'| a |\n'.repeat(1_900)}`;
    const cuts = Array.from({ length: 20 }, (_, cut) => (cut + 1) * 600);
    expect(htmlOf(await drawn(text, cuts))).toBe(htmlOf(await drawn(text)));
  }, 60_000);

  it('is drawn from any pieces as the shared vectors are drawn whole', async () => {
    const folder = join(__dirname, '..', '..', '..', 'tests', 'vectors', 'markdown');
    const next = numbers(3);
    for (const file of readdirSync(folder).filter(name => name.endsWith('.json'))) {
      const vectors = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { source: string }[];
      for (const { source } of vectors) {
        const cuts = cutsOf(source, next(1_000_000));
        expect(htmlOf(await drawn(source, cuts)), source).toBe(htmlOf(await drawn(source)));
      }
    }
  }, 60_000);

  it('shows every word once, and nothing that was not said', async () => {
    for (let seed = 9_001; seed <= 9_600; seed += 1) {
      let count = 0;
      const text = documentOf(seed).replace(
        /word|words|item|inner|quote|code|bold|open/g,
        () => `w${(count += 1)}x`
      );
      const host = await drawn(text, cutsOf(text, seed));
      host.querySelectorAll('.jp-ChatStream-copy').forEach(button => button.remove());
      const shown = host.textContent ?? '';
      // A fence's language and a reference's definition are marks; a footnote's label is shown again.
      const words = [...text.matchAll(/w\d+x/g)].map(([word]) => word);
      expect(shown.match(/w\d+x/g) ?? [], JSON.stringify(text)).toEqual(words);
      const known = new Set(text + '&');
      expect(
        [...shown].filter(character => !known.has(character)),
        JSON.stringify(text)
      ).toEqual([]);
    }
  }, 60_000);
});

describe('what is held back', () => {
  it('is the head of a table, a tag without its end, and a mark', () => {
    expect(withoutUndecidedEnd('Text\n| a | b |')).toBe('Text');
    expect(withoutUndecidedEnd('Text\n| a | b |\n|--')).toBe('Text');
    expect(withoutUndecidedEnd('| a |\n|---|\n| b')).toBe('| a |\n|---|\n| b');
    expect(withoutUndecidedEnd('Text\n<deta')).toBe('Text\n');
    expect(withoutUndecidedEnd(`<b${' c'.repeat(200)}`)).toBe(`<b${' c'.repeat(200)}`);
    expect(withoutUndecidedEnd('Text\n---')).toBe('Text\n');
    expect(withoutUndecidedEnd('> - 1. ')).toBe('> - ');
    expect(withoutUndecidedEnd('Text\n```py')).toBe('Text\n');
    expect(withoutUndecidedEnd('-5 degrees')).toBe('-5 degrees');
  });
});
