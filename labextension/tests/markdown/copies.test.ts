import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import MarkdownIt from 'markdown-it';
import { Marked, type Token, type Tokens } from 'marked';
import { describe, expect, it } from 'vitest';

import { countEmphasis } from '../../src/markdown/copied-marks';
import { oneLine } from '../../src/markdown/copied-texts';
import { harmless, harmlessStart } from '../../src/markdown/copies';

const TESTS = join(__dirname, '..', '..', '..', 'tests');
const read = (...path: string[]): unknown =>
  JSON.parse(readFileSync(join(TESTS, ...path), 'utf8')) as unknown;
const HOSTILE = read('corpus', 'hostile.json') as readonly string[];
const CASES = read('vectors', 'copies', 'cases.json') as {
  readonly copies: readonly {
    readonly name: string;
    readonly source: string;
    readonly copy: string;
  }[];
  readonly starts: readonly {
    readonly source: string;
    readonly bytes: number;
    readonly start: string;
  }[];
  readonly repeats: readonly {
    readonly unit: string;
    readonly times: number;
    readonly copy_sha256: string;
  }[];
  readonly lines: readonly { readonly source: string; readonly line: string }[];
  readonly hostile_sha256: string;
};

const ELEMENTS = new Set(
  (
    'a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i ins kbd li mark ol p pre q s samp small ' +
    'span strong sub sup table tbody td th thead tr u ul var wbr details summary'
  ).split(' ')
);

/** What of a page is not known to be harmless. */
function harms(html: string): string[] {
  const page = new DOMParser().parseFromString(html, 'text/html');
  const found: string[] = [];
  for (const node of page.body.querySelectorAll('*')) {
    const name = node.nodeName.toLowerCase();
    if (!ELEMENTS.has(name)) {
      found.push(`<${name}>`);
    }
    for (const { name: attribute, value } of node.attributes) {
      const isKnown =
        attribute === 'href'
          ? /^((https?:|ftp:)?\/\/|mailto:)/i.test(value)
          : attribute === 'class'
            ? /^language-[\w+#.-]+$/.test(value)
            : attribute === 'style'
              ? /^text-align: ?\w+$/.test(value)
              : ['title', 'open', 'align', 'start'].includes(attribute);
      if (!isKnown) {
        found.push(`<${name} ${attribute}="${value}">`);
      }
    }
  }
  return page.head.childNodes.length > 0 ? [...found, page.head.innerHTML] : found;
}

const marked = new Marked({ gfm: true });

/** The texts that a reader of Markdown reads as one: paragraphs, headings, items, cells. */
function paragraphsOf(tokens: readonly Token[]): string[] {
  return tokens.flatMap(token => {
    if (isTable(token)) {
      return [token.header, ...token.rows].flat().map(cell => cell.text);
    }
    if (isList(token)) {
      return token.items.flatMap(item => paragraphsOf(item.tokens));
    }
    return isQuote(token) ? paragraphsOf(token.tokens) : [token.raw];
  });
}

const isTable = (token: Token): token is Tokens.Table => token.type === 'table';
const isList = (token: Token): token is Tokens.List => token.type === 'list';
const isQuote = (token: Token): token is Tokens.Blockquote => token.type === 'blockquote';

describe('a copy', () => {
  it.each(CASES.copies)('is what Python writes: $name', ({ source, copy }) => {
    expect(harmless(source)).toBe(copy);
  });

  it('is what Python writes of every hostile text', () => {
    const hash = createHash('sha256').update(HOSTILE.map(harmless).join('\0'));
    expect(hash.digest('hex')).toBe(CASES.hostile_sha256);
  });

  it.each(CASES.repeats)(
    'is what Python writes of many marks: %#',
    ({ unit, times, copy_sha256 }) => {
      const copy = harmless(`Begin\n\n${unit.repeat(times)}`);
      expect(createHash('sha256').update(copy).digest('hex')).toBe(copy_sha256);
    }
  );

  it.each(CASES.repeats)('has few marks in each paragraph: %#', ({ unit, times }) => {
    // JupyterLab's reader compares each mark of a paragraph with all that follow.
    const copy = harmless(`Begin\n\n${unit.repeat(times)}`);
    expect(Math.max(...paragraphsOf(marked.lexer(copy)).map(countEmphasis))).toBeLessThan(502);
  });

  it.each(['1. ', '- ', '>', '> - '])('can be read by JupyterLab, nested by %j', mark => {
    const row = mark.repeat(10_000 / mark.length); // JupyterLab's reader runs out of stack
    expect(marked.lexer(harmless(`${row}deep`)).length).toBe(1);
  });

  it.each(CASES.starts)('fits into $bytes bytes', ({ source, bytes, start }) => {
    expect(harmlessStart(source, bytes)).toBe(start);
    expect(new TextEncoder().encode(start).length).toBeLessThanOrEqual(Math.max(bytes, 3));
  });

  it.each(CASES.lines)('has names in one line: $source', ({ source, line }) => {
    expect(oneLine(source)).toBe(line);
  });

  const markdownIt = new MarkdownIt({ html: true, linkify: true });
  markdownIt.validateLink = () => true;
  it.each([
    ['marked', (text: string) => marked.parse(text, { async: false })],
    ['markdown-it', (text: string) => markdownIt.render(text)]
  ])(
    'holds nothing that could do anything, as %s reads it',
    (_, render) => {
      const found = HOSTILE.flatMap(text => {
        const bad = harms(render(harmless(text)));
        return bad.length > 0 ? [{ text, bad }] : [];
      });
      expect(found.slice(0, 5)).toEqual([]);
    },
    60_000
  );
});
