import { Lexer } from 'marked';
import { describe, expect, it } from 'vitest';

import { Splitter } from '../src/view/splitter';

/** Feed a text in pieces; check what must hold at every prefix; give the settled blocks. */
function feed(text: string, cuts: Iterable<number>): string[] {
  const splitter = new Splitter();
  const settled: string[] = [];
  const whole = text.replace(/\r\n?/g, '\n');
  for (const cut of cuts) {
    const split = splitter.update(text.slice(0, cut), false);
    settled.push(...split.settled);
    expect(whole.startsWith(settled.join(''))).toBe(true);
    expect(settled.join('') + split.open.text).toBe(
      text.slice(0, cut).replace(/\r$/, '').replace(/\r\n?/g, '\n')
    );
  }
  settled.push(...splitter.update(text, true).settled);
  expect(settled.join('').trimEnd()).toBe(whole.trimEnd());
  return settled;
}

const everyPrefix = (text: string) => Array.from({ length: text.length }, (_, index) => index + 1);

/** What the blocks of a whole text are, blank lines aside. */
function blocksOf(text: string): string[] {
  return new Lexer({ gfm: true })
    .blockTokens(text.replace(/\r\n?/g, '\n'), [])
    .filter(token => token.type !== 'space')
    .map(token => token.raw.trimEnd());
}

/** A boundary between blocks must be one in the whole text too. */
function expectTrueBoundaries(text: string, settled: readonly string[]): void {
  const whole = text.replace(/\r\n?/g, '\n');
  const starts = new Set<number>();
  let at = 0;
  for (const token of new Lexer({ gfm: true }).blockTokens(whole, [])) {
    starts.add(at + blankFront(token.raw));
    at += token.raw.length;
  }
  let offset = 0;
  for (const block of settled) {
    expect(starts, JSON.stringify({ block, whole })).toContain(offset + blankFront(block));
    offset += block.length;
  }
}

/** The length of the blank lines that a text begins with: they belong to either block. */
function blankFront(text: string): number {
  return /^(?:[ \t]*\n)*/.exec(text)?.[0].length ?? 0;
}

const DOCUMENTS: Readonly<Record<string, string>> = {
  prose: 'One paragraph\nof two lines.\n\nAnother **one**.\n\n# Heading\nText under it.\n\nEnd',
  lists: 'Intro\n\n- a\n- b\n\n  more of b\n- c\n\nAfter\n\n1. one\n2. two\n   - deep\n\nEnd.',
  code: 'See\n\n```python\ndef f():\n    return """```"""\n\n\nx = 1\n```\n\nand `inline`.\n',
  tilde: '~~~\n```\ninner\n```\n~~~\ntext',
  longFence: '````md\n```\nx\n```\n````\n\nafter',
  indentedFence: '  ```\n  a\n    b\n  ```\nend',
  table: 'T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\nafter the table',
  math: 'Euler\n\n$$\na\n- b\n= c\n$$\n\nand $x$.\n\n\\begin{align}\n- a\n- b\n\\end{align}\n\nend',
  headings: 'para\n#hash\n\npara\n# head\n\nsetext\n---\n\nwords\n***bold***\n\n***\n\nend',
  quote: '> quoted\nlazy\n\n> again\n\nnot',
  html: '<div>\n\ninside\n\n</div>\n\n<b>x</b> y\n\nend',
  windows: 'a\r\n\r\n- b\r\n- c\r\n\r\n```\r\ncode\r\n```\r\nend\r\n',
  openFence: 'text\n\n```js\nlet a = 1;\nlet b',
  empty: '\n\n',
  hr: 'a\n\n---\n\n- a\n\n---\nb'
};

describe('a splitter', () => {
  for (const [name, text] of Object.entries(DOCUMENTS)) {
    it(`gives back every character of ${name}, at every prefix`, () => {
      const settled = feed(text, everyPrefix(text));
      expectTrueBoundaries(text, settled);
    });
  }

  it('finds the blocks that the whole text has', () => {
    for (const name of ['prose', 'lists', 'code', 'table', 'quote', 'longFence'] as const) {
      const text = DOCUMENTS[name] ?? '';
      const settled = feed(text, everyPrefix(text)).map(block =>
        block.slice(blankFront(block)).trimEnd()
      );
      expect(settled).toEqual(blocksOf(text));
    }
  });

  it('settles the same blocks however the text was cut into deltas', () => {
    const pieces = [
      '- a\n',
      '\n',
      '# h\n',
      'word ',
      '#',
      '**b**',
      '```\n',
      '$$',
      '| a |\n',
      '|--|\n'
    ];
    pieces.push(
      '> q\n',
      '1. x\n',
      '  ',
      '---\n',
      '***',
      '<p>',
      '\n\n',
      'text\n',
      '`c`',
      '\\begin{a}'
    );
    let state = 7;
    const chance = (n: number) => (state = (state * 48271) % 2147483647) % n;
    for (let round = 0; round < 300; round += 1) {
      const text = Array.from({ length: 12 }, () => pieces[chance(pieces.length)] ?? '').join('');
      expectTrueBoundaries(text, feed(text, everyPrefix(text)));
      const cuts = everyPrefix(text).filter(() => chance(5) === 0);
      expectTrueBoundaries(text, feed(text, cuts));
    }
  });

  it('never looks at settled text again', () => {
    const block = 'A paragraph of some words, as answers have them.\n\n';
    const splitter = new Splitter();
    let text = '';
    for (let index = 0; index < 200; index += 1) {
      text += block;
      expect(splitter.update(text, false).open.text.length).toBeLessThan(2 * block.length + 1);
    }
  });

  it('hands out an open fence as growing code, without its mark', () => {
    const splitter = new Splitter();
    splitter.update('```py\na = 1\n', false);
    const { open, settled } = splitter.update('```py\na = 1\nb = 2', false);
    expect(open).toEqual({ kind: 'fence', text: '```py\na = 1\nb = 2', code: 'a = 1\nb = 2' });
    expect(settled).toEqual([]);
    expect(splitter.update('```py\na = 1\nb = 2\n```', false).open.kind).toBe('markdown');
  });

  it('does not cut math in two', () => {
    const text = '$$\nx\n- y\n- z\n$$\n\nafter that\nmore';
    const settled = feed(text, everyPrefix(text));
    expect(settled[0]).toBe('$$\nx\n- y\n- z\n$$\n\n');
  });

  it('says that there are link references', () => {
    const splitter = new Splitter();
    splitter.update('See [it][1].\n\n[1]: https://example.org\n', true);
    expect(splitter.hasReferences).toBe(true);
  });
});
