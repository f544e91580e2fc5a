/**
 * The parser of the dialect that `docs/markdown.md` fixes: markdown-it with our own rules. Pure.
 *
 * Only its two phases are used: `blocksOf` cuts a text into blocks, `inlineTokens` reads the text of
 * one block. A caller reads a block's text only when the block is drawn.
 */
import createMarkdownIt, { type Env, type MarkdownIt, type Token } from 'markdown-it';

import { autolink, wwwLinks } from './autolinks';
import { details, htmlTable, inlineTag } from './elements';
import { withCjk } from './emphasis';
import { footnote, footnoteMark } from './footnotes';
import { mathBlock, mathInline } from './maths';
import { withBound } from './nesting';
import { withSurplusCells } from './tables';

/** Definitions in other blocks that the reading of a block may need. */
export interface Definitions {
  /** Addresses by normalised label. */
  readonly references: Record<string, { title: string; href: string }>;
  /** Footnotes by normalised label. */
  readonly footnotes: Record<string, true>;
}

/** What the rules share during one parse. */
export interface DialectEnv extends Env {
  references: Definitions['references'];
  readonly footnotes: Definitions['footnotes'];
  /** Whether more text may come; an open construct is then drawn as if it ended here. */
  isGrowing: boolean;
  /** How many quotes, lists, folds and footnotes are open. */
  depth: number;
}

export function newEnv(definitions: Definitions, isGrowing: boolean): DialectEnv {
  // The caller's definitions must not change.
  return {
    references: Object.create(definitions.references) as Definitions['references'],
    footnotes: Object.create(definitions.footnotes) as Definitions['footnotes'],
    isGrowing,
    depth: 0
  };
}

export function noDefinitions(): Definitions {
  return {
    references: Object.create(null) as Definitions['references'],
    footnotes: Object.create(null) as Definitions['footnotes']
  };
}

/** Read the blocks of a text, and add its definitions to `env`. */
export function blocksOf(text: string, env: DialectEnv): Token[] {
  const tokens: Token[] = [];
  parser.block.parse(text, parser, env, tokens);
  return tokens;
}

/** Read the text of one block. */
export function inlineTokens(text: string, env: Env): Token[] {
  const tokens: Token[] = [];
  parser.inline.parse(text, parser, env, tokens);
  return wwwLinks(tokens);
}

/**
 * The marks that close the emphasis that is open at the end of a text: `**` for `a **b`. Marks that
 * were opened more than `maxChars` characters ago, or within a word, are left open.
 */
export function openMarks(text: string, env: Env, maxChars: number): string {
  const state = new parser.inline.State(text, parser, env, []);
  parser.inline.tokenize(state);
  parser.inline.ruler2.__rules__.find(({ name }) => name === 'balance_pairs')?.fn(state);
  const lengths = state.tokens.map(({ content }) => content.length);
  let after = 0;
  let closers = '';
  for (const { marker, open, end, token } of [...state.delimiters].reverse()) {
    after += lengths.splice(token).reduce((sum, length) => sum + length, 0);
    if (after > maxChars) {
      break;
    }
    if (open && end < 0 && !isInWord(state.tokens, token)) {
      closers += marker === TILDE ? '~~' : String.fromCharCode(marker);
    }
  }
  return closers;
}

/** Whether a letter or digit stands before the marks to which a token belongs. */
function isInWord(tokens: readonly Token[], at: number): boolean {
  let before = at - 1;
  while (/^[*_~]+$/.test(tokens[before]?.content ?? '')) {
    before -= 1;
  }
  return tokens[before]?.type === 'text' && IN_WORD.test(tokens[before]?.content ?? '');
}

const TILDE = 0x7e;
const IN_WORD = /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{N}]$/u;

/** Whether an answer may link to an address. A link to any other address is shown as its text. */
export function isSafeAddress(address: string): boolean {
  return /^(https?:\/\/|mailto:)/i.test(address);
}

/** Whether a picture can be shown without fetching anything. */
export function isSafePicture(address: string): boolean {
  return /^data:image\/(png|jpe?g|gif|webp|avif);base64,/i.test(address);
}

const FORBIDDEN = /^(javascript|vbscript|file|data):/i;

function createParser(): MarkdownIt {
  // Our own limit on nesting is lower; that of markdown-it would drop text.
  const md = createMarkdownIt({ maxNesting: 200 });
  md.disable(['linkify', 'html_block', 'html_inline']);
  md.validateLink = address => {
    // Browsers ignore these characters in an address, so they must not hide its scheme.
    const plainAddress = address.trim().replace(/[\u0000-\u0020]/g, '');
    return isSafePicture(plainAddress) || !FORBIDDEN.test(plainAddress);
  };
  md.normalizeLinkText = text => text;
  withCjk(md);
  const alt = ['paragraph', 'reference', 'blockquote', 'list'];
  md.block.ruler.before('fence', 'math_block', mathBlock, { alt });
  md.block.ruler.before('heading', 'details', withBound(details), { alt });
  md.block.ruler.before('heading', 'html_table', htmlTable, { alt });
  md.block.ruler.before('reference', 'footnote', withBound(footnote), {
    alt: ['paragraph', 'reference']
  });
  for (const name of ['blockquote', 'list'] as const) {
    const rule = md.block.ruler.__rules__.find(other => other.name === name);
    if (rule !== undefined) {
      md.block.ruler.at(name, withBound(rule.fn), { alt: rule.alt });
    }
  }
  const table = md.block.ruler.__rules__.find(other => other.name === 'table');
  if (table !== undefined) {
    md.block.ruler.at('table', withSurplusCells(table.fn), { alt: table.alt });
  }
  md.inline.ruler.before('escape', 'math', mathInline);
  md.inline.ruler.before('escape', 'autolink_bare', autolink);
  md.inline.ruler.before('link', 'footnote_mark', footnoteMark);
  md.inline.ruler.before('autolink', 'tag', inlineTag);
  return md;
}

const parser = createParser();
