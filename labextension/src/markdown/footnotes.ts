/** Footnotes. A definition is shown in its place; a mark is the raised label. */
import { type StateBlock, type StateInline } from 'markdown-it';

import { isIndented, lineText } from './nesting';
import { type DialectEnv } from './parser';

const DEFINITION = /^\[\^([^\s\[\]]{1,100})\]:[ \t]*/;
const MARK = /\[\^([^\s\[\]]{1,100})\]/y;

export function labelKey(label: string): string {
  return label.toLowerCase();
}

/** `[^label]: text`, continued by lines with an indentation of four. */
export function footnote(
  state: StateBlock,
  startLine: number,
  endLine: number,
  isSilent: boolean
): boolean {
  const match = isIndented(state, startLine) ? null : DEFINITION.exec(lineText(state, startLine));
  if (match === null) {
    return false;
  }
  if (isSilent) {
    return true;
  }
  const label = match[1] ?? '';
  (state.env as DialectEnv).footnotes[labelKey(label)] = true;
  const open = state.push('footnote_open', 'footnote', 1);
  open.info = label;
  const lines: [number, number] = [startLine, startLine + 1];
  open.map = lines;
  readIndented(state, startLine, match[0].length, () =>
    state.md.block.tokenize(state, startLine, endLine)
  );
  lines[1] = state.line;
  state.push('footnote_close', 'footnote', -1);
  return true;
}

/** Read the lines of a footnote: the first without the mark, the others indented. */
function readIndented(state: StateBlock, line: number, mark: number, read: () => void): void {
  const bMark = state.bMarks[line] ?? 0;
  const tShift = state.tShift[line] ?? 0;
  const sCount = state.sCount[line] ?? 0;
  const { blkIndent, parentType } = state;
  state.bMarks[line] = bMark + tShift + mark;
  state.tShift[line] = 0;
  state.blkIndent = blkIndent + 4;
  state.sCount[line] = state.blkIndent;
  state.parentType = 'footnote';
  read();
  state.bMarks[line] = bMark;
  state.tShift[line] = tShift;
  state.sCount[line] = sCount;
  state.blkIndent = blkIndent;
  state.parentType = parentType;
  if (state.line === line) {
    state.line = line + 1;
  }
}

/** `[^label]`, if that footnote exists. */
export function footnoteMark(state: StateInline, isSilent: boolean): boolean {
  if (!state.src.startsWith('[^', state.pos)) {
    return false;
  }
  MARK.lastIndex = state.pos;
  const label = MARK.exec(state.src)?.[1];
  const { footnotes } = state.env as Partial<DialectEnv>;
  if (label === undefined || footnotes?.[labelKey(label)] !== true) {
    return false;
  }
  if (!isSilent) {
    state.push('footnote_mark', 'sup', 0).content = label;
  }
  state.pos += label.length + 3;
  return true;
}
