/** The copies that the server and the kernels write, as the readers of JavaScript render them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import MarkdownIt from 'markdown-it';
import { Marked } from 'marked';
import { describe, expect, it } from 'vitest';

const VECTORS = join(__dirname, '..', '..', '..', 'tests', 'vectors', 'copies', 'written.json');
const WRITTEN = JSON.parse(readFileSync(VECTORS, 'utf8')) as {
  readonly hostile: readonly string[];
  readonly nested: readonly string[];
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

describe('a copy', () => {
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
