/** Maths: `$a$`, `$$a$$`, `\(a\)`, `\[a\]`. A search ends with its block, and is made once. */
import { type StateBlock, type StateInline } from 'markdown-it';

import { isIndented, isOutside, lineText } from './nesting';
import { type DialectEnv } from './parser';

/** A growing formula is not shown until it is complete or has so many characters. */
const MOST_HELD = 120;
const OPENERS = { $$: '$$', '\\[': '\\]' } as const;

/** `$$` or `\[` at the beginning of a line, to the line that ends with the closing mark. */
export function mathBlock(
  state: StateBlock,
  startLine: number,
  endLine: number,
  isSilent: boolean
): boolean {
  if (isIndented(state, startLine)) {
    return false;
  }
  const first = lineText(state, startLine).trimEnd();
  const opener = first.slice(0, 2);
  if (opener !== '$$' && opener !== '\\[') {
    return false;
  }
  const end = endOfMaths(state, startLine, endLine, OPENERS[opener]);
  if (end === null) {
    return false;
  }
  if (isSilent) {
    return true;
  }
  const source = state.getLines(startLine, end.line + 1, state.blkIndent, false).trim();
  const isHeld = !end.isClosed && source.length <= MOST_HELD;
  const token = state.push(isHeld ? 'undecided' : 'math_block', 'math', 0);
  token.content = source.slice(2, end.isClosed ? -2 : undefined).trim();
  token.markup = source;
  token.info = end.isClosed ? '' : 'open';
  token.map = [startLine, end.line + 1];
  state.line = end.line + 1;
  return true;
}

function endOfMaths(
  state: StateBlock,
  startLine: number,
  endLine: number,
  closer: string
): { readonly line: number; readonly isClosed: boolean } | null {
  let hasText = false;
  for (let line = startLine; line < endLine; line += 1) {
    if (state.isEmpty(line) || isOutside(state, line) || (state.sCount[line] ?? 0) < 0) {
      return null;
    }
    const text = lineText(state, line).trimEnd();
    if (line > startLine && text.startsWith('\\[')) {
      return null; // the formula begins there, and each line is looked at once
    }
    const inner = line === startLine ? text.slice(2) : text;
    const at = unescapedIndex(inner, closer, 0);
    hasText ||= inner.slice(0, at < 0 ? undefined : at).trim() !== '';
    if (at >= 0) {
      // With text after it, the formula is part of a paragraph.
      return at === inner.length - closer.length && hasText ? { line, isClosed: true } : null;
    }
  }
  const isOpen = (state.env as DialectEnv).isGrowing && endLine === state.lineMax;
  return isOpen && state.level === 0 ? { line: endLine - 1, isClosed: false } : null;
}

/** Maths within the text of a block. */
export function mathInline(state: StateInline, isSilent: boolean): boolean {
  const { src, pos, posMax } = state;
  const opener = src.startsWith('$$', pos)
    ? '$$'
    : src[pos] === '$'
      ? '$'
      : src.slice(pos, pos + 2);
  const end =
    opener === '$'
      ? endOfDollar(src, pos, posMax)
      : opener === '$$'
        ? endOf(state, '$$')
        : opener === '\\('
          ? endOf(state, '\\)')
          : opener === '\\['
            ? endOf(state, '\\]')
            : -1;
  if (end < 0) {
    return opener === '$$' ? passDollars(state, isSilent) : false;
  }
  if (!isSilent) {
    const token = state.push('math_inline', 'math', 0);
    token.markup = src.slice(pos, end);
    token.content = src.slice(pos + opener.length, end - opener.length);
    token.info = opener === '$$' || opener === '\\[' ? 'display' : '';
  }
  state.pos = end;
  return true;
}

/** Pass all dollars that open nothing together: the second one must not open a formula. */
function passDollars(state: StateInline, isSilent: boolean): boolean {
  let end = state.pos;
  while (end < state.posMax && state.src[end] === '$') {
    end += 1;
  }
  if (!isSilent) {
    state.pending += state.src.slice(state.pos, end);
  }
  state.pos = end;
  return true;
}

/** The end of `$…$`: only the next dollar can close it. */
function endOfDollar(src: string, pos: number, posMax: number): number {
  if (pos + 1 >= posMax || /\s/.test(src[pos + 1] ?? ' ')) {
    return -1;
  }
  const close = unescapedIndex(src, '$', pos + 1, posMax);
  const isClosed =
    close > pos + 1 &&
    !/\s/.test(src[close - 1] ?? ' ') &&
    !/[0-9$]/.test(close + 1 < posMax ? (src[close + 1] ?? '') : '') &&
    !src.slice(pos, close).includes('`');
  return isClosed ? close + 1 : -1;
}

/** The end of a formula. Its closing mark may be far away or missing, so it is searched once. */
function endOf(state: StateInline, closer: string): number {
  const { src, pos, posMax } = state;
  const closers = closersOf(state);
  const search = closers[closer];
  const close =
    search !== undefined && search.from <= pos && (search.at < 0 || search.at >= pos + 2)
      ? search.at
      : unescapedIndex(src, closer, pos + 2, posMax);
  closers[closer] = { from: pos, at: close };
  if (close < 0) {
    return -1;
  }
  const inner = src.slice(pos + 2, close);
  return inner.trim() === '' || inner.includes('`') ? -1 : close + closer.length;
}

/** Where the next closing mark of each kind was found (-1: nowhere), and from where it was searched. */
function closersOf(state: StateInline): Record<string, { from: number; at: number }> {
  const holder = state as StateInline & {
    mathClosers?: Record<string, { from: number; at: number }>;
  };
  holder.mathClosers ??= {};
  return holder.mathClosers;
}

/** Find a mark without a backslash before it (the mark's own backslash does not count). */
function unescapedIndex(text: string, mark: string, from: number, end = text.length): number {
  for (let at = from; at < end; at += 1) {
    if (text.startsWith(mark, at) && at + mark.length <= end) {
      return at;
    }
    if (text[at] === '\\') {
      at += 1;
    }
  }
  return -1;
}
