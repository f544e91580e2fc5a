/** Tables as in GFM, except that surplus cells of a row are shown. */
import { type BlockRule, lineText } from './nesting';

export function withSurplusCells(rule: BlockRule): BlockRule {
  return (state, startLine, endLine, isSilent) => {
    const start = state.tokens.length;
    if (!rule(state, startLine, endLine, isSilent)) {
      return false;
    }
    if (isSilent) {
      return true;
    }
    const tokens = state.tokens.splice(start);
    let columns = 0;
    let cells = 0;
    let line = 0;
    for (const token of tokens) {
      if (token.type === 'tr_open') {
        cells = 0;
        line = token.map?.[0] ?? startLine;
      } else if (token.type === 'th_open') {
        columns += 1;
      } else if (token.type === 'td_open') {
        cells += 1;
      } else if (token.type === 'tr_close' && cells === columns) {
        for (const text of cellsOf(lineText(state, line).trim()).slice(columns)) {
          state.push('td_open', 'td', 1);
          const inline = state.push('inline', '', 0);
          inline.content = text.trim();
          inline.children = [];
          state.push('td_close', 'td', -1);
        }
      }
      state.tokens.push(token);
    }
    return true;
  };
}

/** The cells of a row, which is split at each `|` without a backslash before it. */
function cellsOf(line: string): string[] {
  const cells: string[] = [];
  let cell = '';
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === '\\' && line[at + 1] === '|') {
      cell += '|';
      at += 1;
    } else if (line[at] === '|') {
      cells.push(cell);
      cell = '';
    } else {
      cell += line[at];
    }
  }
  cells.push(cell);
  if (cells[0] === '') {
    cells.shift();
  }
  if (cells.at(-1) === '') {
    cells.pop();
  }
  return cells;
}
