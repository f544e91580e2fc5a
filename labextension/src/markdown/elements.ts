/**
 * The parser's rules for the few HTML elements that an answer may use. Any other tag is text.
 * `inline.ts` pairs opening and closing tags.
 */
import { type StateBlock, type StateInline } from 'markdown-it';

import { isIndented, isOutside, lineText, startOf } from './nesting';
import { type DialectEnv } from './parser';

const INLINE = new Set(
  'b br code del em i ins kbd mark q s samp small strong sub sup u var wbr'.split(' ')
);
/** Elements without content: they need no closing tag. */
export const VOID = new Set(['br', 'wbr']);

const TAG = /<(\/?)([a-zA-Z]{1,6})(?:\s[^<>]*)?>/y;
const DETAILS = /^<details(?=[\s>])([^<>]*)>/i;
const DETAILS_END = /<\/details\s*>\s*$/i;
const SUMMARY = /^\s*<summary(?:\s[^<>]*)?>([\s\S]*?)<\/summary\s*>/i;
/** A summary whose end has not come yet. */
const OPEN_SUMMARY = /^\s*<summary(?:\s[^<>]*)?>([\s\S]{0,200})$/i;
const FENCE = /^(`{3,}|~{3,})/;
const TABLE = /^<table(?=[\s>])[^<>]*>/i;
const TABLE_END = /<\/table\s*>/i;
/** A growing table without its end is not shown until it has so many characters. */
const MAX_HELD = 4_000;

/** A tag of an inline element. */
export function inlineTag(state: StateInline, isSilent: boolean): boolean {
  if (state.src[state.pos] !== '<') {
    return false;
  }
  TAG.lastIndex = state.pos;
  const match = TAG.exec(state.src);
  const name = match?.[2]?.toLowerCase() ?? '';
  if (match === null || !INLINE.has(name) || TAG.lastIndex > state.posMax) {
    return false;
  }
  if (!isSilent) {
    const token = state.push('tag', name, 0);
    token.content = match[0];
    token.info = match[1] === '/' ? 'close' : 'open';
  }
  state.pos = TAG.lastIndex;
  return true;
}

/** `<details>` at the beginning of a line: a fold that ends with `</details>` or its container. */
export function details(
  state: StateBlock,
  startLine: number,
  endLine: number,
  isSilent: boolean
): boolean {
  const match = isIndented(state, startLine) ? null : DETAILS.exec(lineText(state, startLine));
  if (match === null) {
    return false;
  }
  if (isSilent) {
    return true;
  }
  const end = endOfDetails(state, startLine, endLine, match[0].length);
  const open = state.push('details_open', 'details', 1);
  open.map = [startLine, end.next];
  open.info = /\sopen(?=[\s=]|$)/i.test(match[1] ?? '') ? 'open' : '';
  readFold(state, startLine, end, match[0].length);
  state.push('details_close', 'details', -1);
  state.line = end.next;
  return true;
}

interface FoldEnd {
  /** The line after the last one of the content. */
  readonly content: number;
  /** Where the content of its last line ends. */
  readonly eMark: number;
  /** The line after the fold. */
  readonly next: number;
}

function endOfDetails(
  state: StateBlock,
  startLine: number,
  endLine: number,
  mark: number
): FoldEnd {
  let depth = 1;
  let fence: string | null = null;
  for (let line = startLine; line < endLine; line += 1) {
    if (line > startLine && isOutside(state, line)) {
      return { content: line, eMark: state.eMarks[line - 1] ?? 0, next: line };
    }
    const text = line === startLine ? lineText(state, line).slice(mark) : lineText(state, line);
    fence = fenceAfter(text, fence);
    if (fence !== null) {
      continue;
    }
    depth += line > startLine && DETAILS.test(text) ? 1 : 0;
    const closing = DETAILS_END.exec(text);
    if (closing !== null) {
      depth -= 1;
      if (depth === 0) {
        const from = startOf(state, line) + (line === startLine ? mark : 0);
        return { content: line + 1, eMark: from + closing.index, next: line + 1 };
      }
    }
  }
  return { content: endLine, eMark: state.eMarks[endLine - 1] ?? 0, next: endLine };
}

/** The fence that is open after a line, or null. */
function fenceAfter(line: string, open: string | null): string | null {
  const marks = FENCE.exec(line)?.[1];
  if (open === null) {
    const isFence = marks !== undefined && !(marks[0] === '`' && line.includes('`', marks.length));
    return isFence ? marks : null;
  }
  const isClosing =
    marks !== undefined &&
    marks[0] === open[0] &&
    marks.length >= open.length &&
    line.slice(marks.length).trim() === '';
  return isClosing ? null : open;
}

/** Read a fold's summary and blocks, with the tags cut off the first and the last line. */
function readFold(state: StateBlock, startLine: number, end: FoldEnd, mark: number): void {
  const last = end.content - 1;
  const outer = {
    bMark: state.bMarks[startLine] ?? 0,
    tShift: state.tShift[startLine] ?? 0,
    eMark: state.eMarks[last] ?? 0,
    lineMax: state.lineMax,
    parentType: state.parentType
  };
  const shift = (line: number, position: number): void => {
    state.bMarks[line] = position;
    state.tShift[line] = state.skipSpaces(position) - position;
  };
  shift(startLine, outer.bMark + outer.tShift + mark);
  state.eMarks[last] = end.eMark;
  state.lineMax = end.content;
  state.parentType = 'details';
  const first = readSummary(state, startLine, end.content, shift);
  state.md.block.tokenize(state, first.line, end.content);
  first.restore();
  state.bMarks[startLine] = outer.bMark;
  state.tShift[startLine] = outer.tShift;
  state.eMarks[last] = outer.eMark;
  state.lineMax = outer.lineMax;
  state.parentType = outer.parentType;
}

/** Read `<summary>…</summary>` at the beginning of a fold; the rest of its line is a block. */
function readSummary(
  state: StateBlock,
  startLine: number,
  endLine: number,
  shift: (line: number, position: number) => void
): { readonly line: number; readonly restore: () => void } {
  const noSummary = { line: startLine, restore: (): void => undefined };
  const first = state.skipEmptyLines(startLine);
  if (first >= endLine) {
    return noSummary;
  }
  let after = first;
  while (after < endLine && !state.isEmpty(after)) {
    after += 1;
  }
  const text = state.getLines(first, after, state.blkIndent, false);
  const match = SUMMARY.exec(text) ?? openSummary(state, text, after);
  if (match === null) {
    return noSummary;
  }
  state.push('summary_open', 'summary', 1);
  const inline = state.push('inline', '', 0);
  inline.content = (match[1] ?? '').trim();
  inline.children = [];
  state.push('summary_close', 'summary', -1);
  const line = first + match[0].split('\n').length - 1;
  const at = lineText(state, line).toLowerCase().indexOf('</summary');
  const rest = at < 0 ? -1 : state.src.indexOf('>', startOf(state, line) + at) + 1;
  const bMark = state.bMarks[line] ?? 0;
  const tShift = state.tShift[line] ?? 0;
  shift(line, rest > 0 ? rest : (state.eMarks[line] ?? 0));
  return {
    line,
    restore: () => {
      state.bMarks[line] = bMark;
      state.tShift[line] = tShift;
    }
  };
}

/** A summary at the very end of a growing text, whose own end has not come yet. */
function openSummary(state: StateBlock, text: string, after: number): RegExpExecArray | null {
  const isAtEnd = after === state.bMarks.length - 1;
  return isAtEnd && (state.env as DialectEnv).isGrowing ? OPEN_SUMMARY.exec(text) : null;
}

interface LineRange {
  readonly from: number;
  /** The line after the last one. */
  readonly to: number;
}

/** A table in HTML, from a line that begins with `<table` to a line with `</table>`. */
export function htmlTable(
  state: StateBlock,
  startLine: number,
  endLine: number,
  isSilent: boolean
): boolean {
  if (isIndented(state, startLine) || !TABLE.test(lineText(state, startLine))) {
    return false;
  }
  const env = state.env as DialectEnv & { linesWithoutTableEnd?: Map<string, LineRange> };
  const openRanges = (env.linesWithoutTableEnd ??= new Map<string, LineRange>());
  const container = `${state.level} ${state.blkIndent} ${endLine}`;
  const range = openRanges.get(container);
  if (range !== undefined && range.from <= startLine && startLine < range.to) {
    return false;
  }
  let line = startLine;
  while (line < endLine && !isOutside(state, line) && !TABLE_END.test(lineText(state, line))) {
    line += 1;
  }
  const isClosed = line < endLine && !isOutside(state, line);
  const size = (state.eMarks[Math.min(line, endLine) - 1] ?? 0) - startOf(state, startLine);
  const isHeld = !isClosed && env.isGrowing && line === state.lineMax && size <= MAX_HELD;
  if (!isClosed && !isHeld) {
    openRanges.set(container, { from: startLine, to: line });
    return false;
  }
  if (isSilent) {
    return true;
  }
  const next = isClosed ? line + 1 : line;
  const token = state.push(isClosed ? 'html_table' : 'undecided', '', 0);
  token.content = state.getLines(startLine, next, state.blkIndent, false);
  token.map = [startLine, next];
  state.line = next;
  return true;
}
