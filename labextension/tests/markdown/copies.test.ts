/** The copies that the server and the kernels write, as the readers of JavaScript render them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import MarkdownIt from 'markdown-it';
import { Marked, type Token, type Tokens } from 'marked';
import { describe, expect, it } from 'vitest';

const VECTORS = join(__dirname, '..', '..', '..', 'tests', 'vectors', 'copies', 'written.json');
const WRITTEN = JSON.parse(readFileSync(VECTORS, 'utf8')) as {
  readonly hostile: readonly string[];
  readonly nested: readonly string[];
  readonly marks: readonly string[];
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
  it('has few marks in each paragraph', () => {
    // JupyterLab's reader compares each mark of a paragraph with all that follow.
    expect(WRITTEN.marks.length).toBe(8);
    const texts = WRITTEN.marks.flatMap(copy => paragraphsOf(marked.lexer(copy)));
    const counts = texts.map(text => text.match(/[*_~]|<span>/g)?.length ?? 0);
    expect(Math.max(...counts)).toBeLessThan(502);
  });

  it('can be read by JupyterLab, however deep its text is nested', () => {
    for (const copy of WRITTEN.nested) {
      expect(marked.lexer(copy).length).toBe(1); // JupyterLab's reader runs out of stack
    }
  });

  const markdownIt = new MarkdownIt({ html: true, linkify: true });
  markdownIt.validateLink = () => true;
  it.each([
    ['marked', (text: string) => marked.parse(text, { async: false })],
    ['markdown-it', (text: string) => markdownIt.render(text)]
  ])(
    'holds nothing that could do anything, as %s reads it',
    (_, render) => {
      expect(WRITTEN.hostile.length).toBeGreaterThan(1_000);
      const found = WRITTEN.hostile.flatMap(copy => {
        const bad = harms(render(copy));
        return bad.length > 0 ? [{ copy, bad }] : [];
      });
      expect(found.slice(0, 5)).toEqual([]);
    },
    60_000
  );
});
