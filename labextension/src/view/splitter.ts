/**
 * Cuts growing Markdown into blocks that will not change any more and one that still may. Pure.
 *
 * Only the text after the last settled block is looked at again, so the cost of an update does not
 * grow with the message. A block settles when another one has begun after it, by lines that are
 * whole (`#` may become a heading or `#word`), and never inside `$$ … $$`. An open code
 * fence is found without lexing: its text only grows.
 *
 * Not seen: link references defined after their use (`hasReferences` says that there are some).
 */
import { Lexer, type Token } from 'marked';

export type Open =
  | { readonly kind: 'markdown'; readonly text: string }
  /** An unclosed fence: `code` is what stands in it so far. */
  | { readonly kind: 'fence'; readonly text: string; readonly code: string };

export interface Split {
  /** Blocks that settled with this update, in order. */
  readonly settled: readonly string[];
  /** What comes after them; its text is empty at the end. */
  readonly open: Open;
}

/** Math of more than this without its end is a price, not a formula. */
const LONGEST_MATH = 8_000;

const FENCE = /^( {0,3})(`{3,}|~{3,})([^\n]*)\n/;
/** The front of a line at the top level that may be a link reference. */
const REFERENCE = /^ {0,3}\[[^\]\n]+\]:/m;

export class Splitter {
  /** Whether a settled block defines link references. */
  hasReferences = false;

  /** Take the whole text so far, which begins with the text of the call before. */
  update(text: string, isEnded: boolean): Split {
    const whole = normalize(text, isEnded);
    if (isEnded) {
      return this._finish(whole);
    }
    if (this._fence !== null) {
      const open = this._grow(whole, this._fence);
      if (open !== null) {
        return { settled: [], open };
      }
      this._fence = null;
    }
    return this._lex(whole);
  }

  private _finish(whole: string): Split {
    const tail = whole.slice(this._offset);
    this._offset = whole.length;
    this._fence = null;
    const settled = blocksOf(tail).filter(block => block.trim() !== '');
    this._note(settled);
    return { settled, open: { kind: 'markdown', text: '' } };
  }

  private _lex(whole: string): Split {
    const tail = whole.slice(this._offset);
    const settled = blocksOf(tail.slice(0, tail.lastIndexOf('\n') + 1)).slice(0, -1);
    this._offset += settled.reduce((sum, block) => sum + block.length, 0);
    this._note(settled);
    const text = whole.slice(this._offset);
    const fence = text.match(FENCE);
    const isInline = fence?.[2]?.startsWith('`') === true && fence[3]?.includes('`') === true;
    if (fence === null || isInline) {
      return { settled, open: { kind: 'markdown', text } };
    }
    this._fence = {
      indent: (fence[1] ?? '').length,
      mark: fence[2] ?? '',
      codeAt: this._offset + fence[0].length,
      lookFrom: this._offset + fence[0].length
    };
    const open = this._grow(whole, this._fence);
    if (open === null) {
      this._fence = null;
      return { settled, open: { kind: 'markdown', text } };
    }
    return { settled, open };
  }

  /** The open fence with its new text, or null once its end has come. */
  private _grow(whole: string, fence: Fence): Open | null {
    const end = new RegExp(`^ {0,3}${fence.mark[0] === '~' ? '~' : '`'}{${fence.mark.length},} *$`);
    let from = fence.lookFrom;
    for (;;) {
      const lineEnd = whole.indexOf('\n', from);
      const line = whole.slice(from, lineEnd === -1 ? undefined : lineEnd);
      if (end.test(line)) {
        return null;
      }
      if (lineEnd === -1) {
        break;
      }
      from = lineEnd + 1;
    }
    fence.lookFrom = from;
    const code = whole.slice(fence.codeAt);
    return { kind: 'fence', text: whole.slice(this._offset), code: outdent(code, fence.indent) };
  }

  private _note(settled: readonly string[]): void {
    this.hasReferences ||= settled.some(block => REFERENCE.test(block));
  }

  private _offset = 0;
  private _fence: Fence | null = null;
}

interface Fence {
  readonly indent: number;
  readonly mark: string;
  readonly codeAt: number;
  /** Where the first line that is not whole yet begins. */
  lookFrom: number;
}

/** Line ends as the lexer counts them; a last `\r` waits for what follows it. */
function normalize(text: string, isEnded: boolean): string {
  if (!text.includes('\r')) {
    return text;
  }
  const known = !isEnded && text.endsWith('\r') ? text.slice(0, -1) : text;
  return known.replace(/\r\n|\r/g, '\n');
}

/** The top-level tokens; one that holds all where the lexer does not give back every character. */
function tokens(text: string): readonly Token[] {
  const found = new Lexer({ gfm: true }).blockTokens(text, []);
  const length = found.reduce((sum, token) => sum + token.raw.length, 0);
  return length === text.length ? found : [{ type: 'text', raw: text, text }];
}

/** The blocks of a text of whole lines; the last (maybe empty) may still grow. */
function blocksOf(text: string): readonly string[] {
  const found = tokens(text);
  const blocks: string[] = [];
  let block = '';
  let heldFrom: number | null = null;
  let at = 0;
  found.forEach((token, index) => {
    const before = found[index - 1];
    const isHeld = mayJoin(token, before) || (heldFrom !== null && at - heldFrom < LONGEST_MATH);
    if (token.type !== 'space' && !isHeld && block.trim() !== '') {
      blocks.push(block);
      block = '';
    }
    heldFrom = heldAfter(token, before, heldFrom, at);
    block += token.raw;
    at += token.raw.length;
  });
  const last = found.at(-1);
  const isSettled = heldFrom === null && last !== undefined && isDone(last, found.at(-2));
  return isSettled ? [...blocks, block, ''] : [...blocks, block];
}

/** Whether no line that could follow would become part of the block this token ends. */
function isDone(token: Token, before: Token | undefined): boolean {
  if (token.type === 'space') {
    return before !== undefined && (BLANK_ENDS.has(before.type) || isDone(before, undefined));
  }
  const isEndedByBlank = BLANK_ENDS.has(token.type) && /\n[ \t]*\n$/.test(token.raw);
  return (
    isEndedByBlank || token.type === 'heading' || (token.type === 'code' && isClosed(token.raw))
  );
}

const BLANK_ENDS: ReadonlySet<string> = new Set(['paragraph', 'table', 'hr', 'def']);

/** Whether a block of code is a fence with its end. */
function isClosed(raw: string): boolean {
  const mark = /^ {0,3}(`{3,}|~{3,})/.exec(raw)?.[1];
  const lines = raw.trimEnd().split('\n');
  const last = lines.at(-1)?.trim() ?? '';
  return mark !== undefined && lines.length > 1 && last.startsWith(mark) && /^(`+|~+)$/.test(last);
}

/** `***` or HTML under a paragraph: the lexer makes one heading of both if `---` follows. */
function mayJoin(token: Token, before: Token | undefined): boolean {
  return (token.type === 'hr' || token.type === 'html') && before?.type === 'paragraph';
}

/** Where something began that holds the text together after this token; a blank line ends it. */
function heldAfter(
  token: Token,
  before: Token | undefined,
  from: number | null,
  at: number
): number | null {
  if (token.type === 'space' || token.raw.endsWith('\n\n')) {
    return null;
  }
  if (mayJoin(token, before)) {
    return from ?? at;
  }
  if (token.type === 'code') {
    return from;
  }
  const blank = token.raw.trimEnd().lastIndexOf('\n\n');
  const last = token.raw.slice(blank + 1);
  const held = blank === -1 ? from : null;
  const marks = last.match(/\$\$/g)?.length ?? 0;
  const begins = last.match(/\\begin\{/g)?.length ?? 0;
  const ends = last.match(/\\end\{/g)?.length ?? 0;
  const isOpen = ((held === null ? 0 : 1) + marks + Math.abs(begins - ends)) % 2 === 1;
  return isOpen ? (held ?? at) : null;
}

/** Code in an indented fence loses that indent. */
function outdent(code: string, indent: number): string {
  return indent === 0 ? code : code.replace(new RegExp(`^ {1,${indent}}`, 'gm'), '');
}

/** The front of a table that cannot be told from a line of text yet: its head, without `|---|`. */
const TABLE_HEAD = /(?:^|\n)\|[^\n]*(?:\n[|:\- \t]*)?$/;

/** What of an open block is shown: not the head of a table before it is one. */
export function steady(open: string): string {
  return open.replace(TABLE_HEAD, '');
}
