/**
 * What a text says, as a tree: blocks whose text is not read yet, and the inline nodes of one block.
 * Pure. Whoever draws it makes one node for one node, so nothing but what stands here can be drawn.
 */
import { type Env, type Token } from 'markdown-it';

import { VOID } from './elements';
import { htmlTableOf } from './html-table';
import { MAX_DEPTH } from './nesting';
import { inlineTokens, isSafeAddress, isSafePicture } from './parser';

export type Attributes = Readonly<Record<string, string>>;

export type Inline =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'code'; readonly text: string }
  /** `source` is the formula with its marks. */
  | { readonly kind: 'math'; readonly source: string; readonly isDisplay: boolean }
  | { readonly kind: 'image'; readonly address: string; readonly text: string }
  | InlineElement;

export interface InlineElement {
  readonly kind: 'element';
  readonly tag: string;
  readonly attributes: Attributes;
  readonly children: Inline[];
}

/** A block that holds text: a paragraph, a heading, a cell, a summary. */
export interface Leaf {
  readonly kind: 'leaf';
  readonly tag: string;
  readonly attributes: Attributes;
  readonly source: string;
}

/** A block that holds blocks. */
export interface Box {
  readonly kind: 'box';
  readonly tag: string;
  readonly attributes: Attributes;
  readonly children: readonly Block[];
}

export type Block =
  | Leaf
  | Box
  | { readonly kind: 'code'; readonly language: string; readonly text: string }
  | { readonly kind: 'math'; readonly source: string }
  | { readonly kind: 'rule' }
  /** Held back until more has come. */
  | { readonly kind: 'held' };

/** Blocks with the line each begins in (null for what is not seen, such as a reference). */
export interface PlacedBlock {
  readonly block: Block | null;
  readonly line: number;
}

const NONE: Attributes = {};
const TASK = /^\[([ xX])\][ \t\n]+(?=\S)/;

/** The blocks of the outermost level. */
export function placedBlocks(tokens: readonly Token[]): PlacedBlock[] {
  const placed: PlacedBlock[] = [];
  const reader = { tokens, at: 0 };
  while (reader.at < tokens.length) {
    const line = tokens[reader.at]?.map?.[0] ?? 0;
    placed.push({ block: readBlock(reader), line });
  }
  return placed;
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
      return { kind: 'code', language: languageOf(token.info), text: token.content };
    case 'math_block':
      return { kind: 'math', source: token.markup };
    case 'hr':
      return { kind: 'rule' };
    case 'held':
      return { kind: 'held' };
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
  return { kind: 'box', tag, attributes: attributesOf(open), children };
}

/** Turn the `[ ]` at the front of a list item into its box. */
function markTask(children: Block[]): void {
  const [first] = children;
  const found = first?.kind === 'leaf' ? TASK.exec(first.source) : null;
  if (first?.kind === 'leaf' && found !== null) {
    const attributes = { task: found[1] === ' ' ? 'open' : 'done' };
    children[0] = { ...first, attributes, source: first.source.slice(found[0].length) };
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

/** The first word behind a fence's opening marks. */
function languageOf(info: string): string {
  return /^[\w+#.-]{1,40}/.exec(info.trim())?.[0]?.toLowerCase() ?? '';
}

/** Read the text of a block. */
export function inlineNodes(source: string, env: Env): Inline[] {
  return nest(inlineTokens(source, env));
}

interface Frame {
  readonly node: InlineElement;
  /** What stands there if the other half never comes; null for Markdown's own marks. */
  readonly source: string | null;
  readonly isFlat: boolean;
}

/** Put tokens into each other. A tag without its other half is text. */
function nest(tokens: readonly Token[]): Inline[] {
  const root = element('root');
  const frames: Frame[] = [{ node: root, source: null, isFlat: false }];
  const tags = new Map<string, number>();
  const top = (): Frame => frames.at(-1) ?? { node: root, source: null, isFlat: false };
  const close = (): void => {
    const frame = frames.pop();
    if (frame === undefined) {
      return;
    }
    const { children } = top().node;
    if (frame.source !== null) {
      tags.set(frame.node.tag, (tags.get(frame.node.tag) ?? 1) - 1);
      children.push({ kind: 'text', text: frame.source }, ...frame.node.children);
    } else if (frame.isFlat) {
      children.push(...frame.node.children);
    } else {
      children.push(frame.node);
    }
  };
  const open = (node: InlineElement, source: string | null, mark: string): void => {
    const isFlat = frames.length > MAX_DEPTH;
    if (isFlat && source === null) {
      top().node.children.push({ kind: 'text', text: mark });
    }
    frames.push({ node, source, isFlat });
  };
  for (const token of tokens) {
    if (token.type === 'tag' && !VOID.has(token.tag)) {
      const { tag, content } = token;
      if (token.info === 'open' && frames.length <= MAX_DEPTH) {
        tags.set(tag, (tags.get(tag) ?? 0) + 1);
        open(element(tag), content, '');
      } else if (token.info === 'close' && (tags.get(tag) ?? 0) > 0 && isOpen(frames, tag)) {
        while (top().node.tag !== tag) {
          close();
        }
        const frame = frames.pop();
        tags.set(tag, (tags.get(tag) ?? 1) - 1);
        if (frame !== undefined) {
          top().node.children.push(frame.node);
        }
      } else {
        top().node.children.push({ kind: 'text', text: content });
      }
    } else if (token.nesting === 1) {
      open(element(token.tag, linkAttributes(token)), null, token.markup);
    } else if (token.nesting === -1) {
      while (top().source !== null) {
        close();
      }
      const isFlat = top().isFlat;
      close();
      if (isFlat) {
        top().node.children.push({ kind: 'text', text: token.markup });
      }
    } else {
      top().node.children.push(inlineOf(token));
    }
  }
  while (frames.length > 1) {
    close();
  }
  return joined(root.children);
}

/** Whether a tag stands open with no mark of Markdown's opened behind it. */
function isOpen(frames: readonly Frame[], tag: string): boolean {
  for (let at = frames.length - 1; at > 0 && frames[at]?.source !== null; at -= 1) {
    if (frames[at]?.node.tag === tag) {
      return true;
    }
  }
  return false;
}

function inlineOf(token: Token): Inline {
  switch (token.type) {
    case 'code_inline':
      return { kind: 'code', text: token.content };
    case 'math_inline':
      return { kind: 'math', source: token.markup, isDisplay: token.info === 'display' };
    case 'hardbreak':
      return element('br');
    case 'softbreak':
      return { kind: 'text', text: '\n' };
    case 'tag':
      return element(token.tag);
    case 'footnote_mark':
      return element('sup', NONE, [{ kind: 'text', text: token.content }]);
    case 'image':
      return imageOf(token);
    default:
      return { kind: 'text', text: token.content };
  }
}

/** A picture that needs no fetching, or a link to it. */
function imageOf(token: Token): Inline {
  const address = String(token.attrGet('src') ?? '');
  const text = textOf(token.children ?? []);
  if (isSafePicture(address)) {
    return { kind: 'image', address, text };
  }
  const name: Inline = { kind: 'text', text: text === '' ? address : text };
  const attributes = isSafeAddress(address) ? { href: address, role: 'image' } : NONE;
  return element('a', attributes, [name]);
}

function textOf(tokens: readonly Token[]): string {
  return tokens
    .map(token =>
      token.type === 'image'
        ? textOf(token.children ?? [])
        : token.type.endsWith('break')
          ? '\n'
          : token.content
    )
    .join('');
}

function linkAttributes(token: Token): Attributes {
  const href = String(token.attrGet('href') ?? '');
  if (token.tag !== 'a' || !isSafeAddress(href)) {
    return NONE;
  }
  const title = token.attrGet('title');
  return title === null ? { href } : { href, title: String(title) };
}

function element(
  tag: string,
  attributes: Attributes = NONE,
  children: Inline[] = []
): InlineElement {
  return { kind: 'element', tag, attributes, children };
}

/** Neighbouring texts as one. */
function joined(nodes: readonly Inline[]): Inline[] {
  const result: Inline[] = [];
  let texts: string[] = [];
  const flush = (): void => {
    const text = texts.join('');
    if (text !== '') {
      result.push({ kind: 'text', text });
    }
    texts = [];
  };
  for (const node of nodes) {
    if (node.kind === 'text') {
      texts.push(node.text);
      continue;
    }
    flush();
    result.push(node.kind === 'element' ? { ...node, children: joined(node.children) } : node);
  }
  flush();
  return result;
}
