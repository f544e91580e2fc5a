/** The limit on the nesting of quotes, lists, folds and footnotes. */
import { type StateBlock } from 'markdown-it';

import { type DialectEnv } from './parser';

export const MAX_DEPTH = 32;

export type BlockRule = (
  state: StateBlock,
  startLine: number,
  endLine: number,
  isSilent: boolean
) => boolean;

/** Apply a rule only within the limit; beyond it, the rule's marks are text. */
export function withBound(rule: BlockRule): BlockRule {
  return (state, startLine, endLine, isSilent) => {
    const env = state.env as DialectEnv;
    if (env.depth >= MAX_DEPTH) {
      return false;
    }
    env.depth += 1;
    const isApplied = rule(state, startLine, endLine, isSilent);
    env.depth -= 1;
    return isApplied;
  };
}

/** The text of a line without the marks of its containers. */
export function lineText(state: StateBlock, line: number): string {
  return state.src.slice(startOf(state, line), state.eMarks[line]);
}

/** Where the text of a line begins in the source. */
export function startOf(state: StateBlock, line: number): number {
  return (state.bMarks[line] ?? 0) + (state.tShift[line] ?? 0);
}

/** Whether the indentation makes a line code. */
export function isIndented(state: StateBlock, line: number): boolean {
  return (state.sCount[line] ?? 0) - state.blkIndent >= 4;
}

/** Whether a line is after the end of the container that is being read. */
export function isOutside(state: StateBlock, line: number): boolean {
  return !state.isEmpty(line) && (state.sCount[line] ?? 0) < state.blkIndent;
}
