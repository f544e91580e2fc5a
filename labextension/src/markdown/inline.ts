/** Reads the text of one block into a tree of inlines. Pure. */
import { type Env, type Token } from 'markdown-it';

import { VOID } from './elements';
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

interface InlineElement {
  readonly kind: 'element';
  readonly tag: string;
  readonly attributes: Attributes;
  readonly children: Inline[];
}

const NONE: Attributes = {};

/**
 * Read the text of a block. If the text may grow, `growing` is the most characters of an open tag that
 * is drawn as if it ended here.
 */
export function inlineNodes(source: string, env: Env, growing = 0): Inline[] {
  return nest(inlineTokens(source, env), growing);
}

interface StackFrame {
  readonly node: InlineElement;
  /** The text to show if the closing tag never comes; null for Markdown's own marks. */
  readonly source: string | null;
  /** Whether it is nested too deep: its marks are text, and `node` is the surrounding frame's. */
  readonly isFlat: boolean;
}

/** Builds the tree of one block's tokens. A tag without its closing tag is text. */
function nest(tokens: readonly Token[], growing: number): Inline[] {
  const nester = new Nester(growing);
  for (const token of tokens) {
    if (token.type === 'tag' && !VOID.has(token.tag)) {
      nester.tag(token);
    } else if (token.nesting === 1) {
      nester.open(token);
    } else if (token.nesting === -1) {
      nester.close(token);
    } else {
      nester.add(inlineOf(token));
    }
  }
  return nester.finish();
}

class Nester {
  constructor(private readonly _growing: number) {}

  add(inline: Inline): void {
    this._top.node.children.push(inline);
  }

  /** Open one of Markdown's own marks. */
  open(token: Token): void {
    const isFlat = this._frames.length > MAX_DEPTH;
    if (isFlat) {
      this.add({ kind: 'text', text: token.markup });
    }
    const node = isFlat ? this._top.node : element(token.tag, linkAttributes(token));
    this._frames.push({ node, source: null, isFlat });
  }

  /** Close one of Markdown's own marks. A tag that is still open in it has no closing tag. */
  close({ markup }: Token): void {
    while (this._top.source !== null) {
      this._pop();
    }
    const { isFlat } = this._top;
    this._pop();
    if (isFlat) {
      this.add({ kind: 'text', text: markup });
    }
  }

  tag({ tag, info, content }: Token): void {
    if (info === 'open' && this._frames.length <= MAX_DEPTH) {
      this._count(tag, 1);
      this._frames.push({ node: element(tag), source: content, isFlat: false });
    } else if (info === 'close' && this._isOpen(tag)) {
      while (this._top.node.tag !== tag) {
        this._pop();
      }
      const { node } = this._top;
      this._frames.pop();
      this._count(tag, -1);
      this.add(node);
    } else {
      this.add({ kind: 'text', text: content });
    }
  }

  finish(): Inline[] {
    while (this._frames.length > 0) {
      const { node, source } = this._top;
      if (source !== null && lengthOf(node.children) < this._growing) {
        this._frames.pop();
        this.add(node);
      } else {
        this._pop();
      }
    }
    return joinTexts(this._root.node.children);
  }

  private get _top(): StackFrame {
    return this._frames.at(-1) ?? this._root;
  }

  private _pop(): void {
    const frame = this._frames.pop();
    if (frame === undefined) {
      return;
    }
    const { node, source, isFlat } = frame;
    if (isFlat) {
      return; // what is in it stands there already
    }
    const { children } = this._top.node;
    if (source !== null) {
      this._count(node.tag, -1);
      children.push({ kind: 'text', text: source });
      node.children.forEach(child => children.push(child));
    } else {
      children.push(node);
    }
  }

  /** Whether a tag is open, and no mark of Markdown was opened after it. */
  private _isOpen(tag: string): boolean {
    if ((this._open.get(tag) ?? 0) === 0) {
      return false;
    }
    for (let at = this._frames.length - 1; this._frames[at]?.source != null; at -= 1) {
      if (this._frames[at]?.node.tag === tag) {
        return true;
      }
    }
    return false;
  }

  private _count(tag: string, change: number): void {
    this._open.set(tag, (this._open.get(tag) ?? 0) + change);
  }

  private readonly _root: StackFrame = { node: element('root'), source: null, isFlat: false };
  private readonly _frames: StackFrame[] = [];
  /** The number of open tags of each name. */
  private readonly _open = new Map<string, number>();
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

/** A picture that is part of the text itself; a link for any other picture. */
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

/** How many characters of the text are seen. */
export function lengthOf(inlines: readonly Inline[]): number {
  return inlines.reduce((sum, inline) => {
    switch (inline.kind) {
      case 'text':
      case 'code':
        return sum + inline.text.length;
      case 'math':
        return sum + inline.source.length;
      case 'element':
        return sum + lengthOf(inline.children);
      case 'image':
        return sum;
    }
  }, 0);
}

/** Join neighbouring texts. */
function joinTexts(nodes: readonly Inline[]): Inline[] {
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
    result.push(node.kind === 'element' ? { ...node, children: joinTexts(node.children) } : node);
  }
  flush();
  return result;
}
