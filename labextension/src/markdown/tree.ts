/**
 * The tree of blocks of a text. `inline.ts` reads the text of a block when the block is drawn. Pure.
 * Drawing makes one node of the page for each node of the tree, so nothing else can be drawn.
 */
import { type Token } from 'markdown-it';

import { htmlTableOf } from './html-table';
import { type Attributes } from './inline';

/** A block that holds text: a paragraph, a heading, a cell, a summary. */
export interface Leaf {
  readonly kind: 'leaf';
  readonly tag: string;
  readonly attributes: Attributes;
  readonly source: string;
  /** Whether the text may still grow. */
  readonly isOpen?: boolean;
}

/** A block that holds blocks. */
export interface Box {
  readonly kind: 'box';
  readonly tag: string;
  readonly attributes: Attributes;
  readonly children: readonly Block[];
  /** Set if finished rows were not read again: the number of children before these. */
  readonly from?: number;
  /** Whether this is the body of a table in Markdown: no cell in it spans several rows. */
  readonly hasSimpleRows?: boolean;
}

export type Block =
  | Leaf
  | Box
  | { readonly kind: 'code'; readonly language: string; readonly text: string }
  | { readonly kind: 'math'; readonly source: string }
  | { readonly kind: 'rule' }
  /** A block that is not shown until more text decides what it is. */
  | { readonly kind: 'undecided' };

/** A block and the line it begins in; `block` is null if nothing is shown, as for a reference. */
export interface PlacedBlock {
  readonly block: Block | null;
  readonly line: number;
  /** The index of the block's first token. */
  readonly token: number;
}

const NONE: Attributes = {};
const TASK = /^\[([ xX])\][ \t\n]+(?=\S)/;

/** The blocks of the outermost level. */
export function placedBlocks(tokens: readonly Token[]): PlacedBlock[] {
  const blocks: PlacedBlock[] = [];
  const reader = { tokens, at: 0 };
  while (reader.at < tokens.length) {
    const token = reader.at;
    const line = tokens[token]?.map?.[0] ?? 0;
    blocks.push({ block: readBlock(reader), line, token });
  }
  return blocks;
}

interface Reader {
  readonly tokens: readonly Token[];
  at: number;
}

function readBlock(reader: Reader): Block | null {
  const token = reader.tokens[reader.at];
  reader.at += 1;
  if (token === undefined) {
    return null;
  }
  switch (token.type) {
    case 'fence':
    case 'code_block':
      return {
        kind: 'code',
        language: languageOf(token.info),
        text: token.content.replace(/\n$/, '')
      };
    case 'math_block':
      return { kind: 'math', source: token.markup };
    case 'hr':
      return { kind: 'rule' };
    case 'undecided':
      return { kind: 'undecided' };
    case 'html_table':
      return htmlTableOf(token.content);
    case 'reference_definition':
      return null;
    default:
      return readOpened(reader, token);
  }
}

/** A block that has an opening and a closing token. */
function readOpened(reader: Reader, open: Token): Block {
  const tag = open.tag;
  const next = reader.tokens[reader.at];
  if (next?.type === 'inline') {
    reader.at += 2;
    return {
      kind: 'leaf',
      tag: open.hidden ? 'tight' : tag,
      attributes: attributesOf(open),
      source: next.content
    };
  }
  const children: Block[] = [];
  while (reader.at < reader.tokens.length && reader.tokens[reader.at]?.nesting !== -1) {
    const child = readBlock(reader);
    if (child !== null) {
      children.push(child);
    }
  }
  reader.at += 1;
  if (tag === 'li') {
    markTask(children);
  }
  const hasSimpleRows = open.type === 'tbody_open';
  return { kind: 'box', tag, attributes: attributesOf(open), children, hasSimpleRows };
}

/** Turn the `[ ]` at the beginning of a list item into a checkbox. */
function markTask(children: Block[]): void {
  const [first] = children;
  const match = first?.kind === 'leaf' ? TASK.exec(first.source) : null;
  if (first?.kind === 'leaf' && match !== null) {
    const attributes = { task: match[1] === ' ' ? 'open' : 'done' };
    children[0] = { ...first, attributes, source: first.source.slice(match[0].length) };
  }
}

function attributesOf(token: Token): Attributes {
  switch (token.type) {
    case 'ordered_list_open':
      return token.attrs === null ? NONE : { start: String(token.attrGet('start') ?? 1) };
    case 'th_open':
    case 'td_open': {
      const align = String(token.attrGet('style') ?? '').replace('text-align:', '');
      return align === '' ? NONE : { align };
    }
    case 'details_open':
      return token.info === 'open' ? { open: '' } : NONE;
    case 'footnote_open':
      return { label: token.info };
    default:
      return NONE;
  }
}

/** The first word after a fence's opening marks. */
function languageOf(info: string): string {
  return /^[\w+#.-]{1,40}/.exec(info.trim())?.[0]?.toLowerCase() ?? '';
}
