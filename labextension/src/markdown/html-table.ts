/** A table written in HTML, as blocks. A table that holds anything else is its text. Pure. */
import { type Attributes, type Block, type Leaf } from './tree';

const TAG = /<(\/?)(table|caption|thead|tbody|tfoot|tr|th|td)((?:\s[^<>]*)?)>/gi;
const CELL = new Set(['caption', 'th', 'td']);
const PARENTS: Readonly<Record<string, readonly string[]>> = {
  caption: ['table'],
  thead: ['table'],
  tbody: ['table'],
  tfoot: ['table'],
  tr: ['table', 'thead', 'tbody', 'tfoot'],
  th: ['tr'],
  td: ['tr']
};
/** How much a cell may span. */
const MAX_SPAN = 1_000;

interface Open {
  readonly tag: string;
  readonly attributes: Attributes;
  readonly children: Block[];
}

/** Read a table; the text itself where it is none. */
export function htmlTableOf(source: string): Block {
  const text: Leaf = { kind: 'leaf', tag: 'p', attributes: {}, source: source.trim() };
  const stack: Open[] = [];
  let result: Block | null = null;
  let done = 0;
  let cell: Open | null = null;
  for (const found of source.matchAll(TAG)) {
    const [whole, slash = '', name = '', attributes = ''] = found;
    const tag = name.toLowerCase();
    const between = source.slice(done, found.index);
    if (cell === null && between.trim() !== '') {
      return text;
    }
    if (result !== null) {
      return text;
    }
    if (slash === '') {
      cell = closeFor(tag, stack, cell, between);
      const parent = stack.at(-1)?.tag;
      const isFit = tag === 'table' ? stack.length === 0 : PARENTS[tag]?.includes(parent ?? '');
      if (cell !== null || isFit !== true) {
        return text;
      }
      const opened = { tag, attributes: attributesOf(tag, attributes), children: [] };
      stack.push(opened);
      cell = CELL.has(tag) ? opened : null;
    } else {
      if (cell !== null) {
        closeCell(stack, cell, between);
        cell = null;
        if (CELL.has(tag)) {
          done = found.index + whole.length;
          continue;
        }
      }
      while (stack.length > 1 && stack.at(-1)?.tag !== tag) {
        closeBox(stack);
      }
      if (stack.at(-1)?.tag !== tag) {
        return text;
      }
      result = closeBox(stack);
    }
    done = found.index + whole.length;
  }
  return result !== null && source.slice(done).trim() === '' ? result : text;
}

/** A cell or row that is open ends where the next one begins. */
function closeFor(tag: string, stack: Open[], cell: Open | null, between: string): Open | null {
  if (cell !== null && tag !== 'table') {
    closeCell(stack, cell, between);
    cell = null;
  }
  const wanted = PARENTS[tag] ?? [];
  while (cell === null && stack.length > 1 && !wanted.includes(stack.at(-1)?.tag ?? '')) {
    closeBox(stack);
  }
  return cell;
}

function closeCell(stack: Open[], cell: Open, source: string): void {
  stack.pop();
  const { tag, attributes } = cell;
  stack.at(-1)?.children.push({ kind: 'leaf', tag, attributes, source: source.trim() });
}

/** Close the innermost box; gives the table when it is the last one. */
function closeBox(stack: Open[]): Block | null {
  const box = stack.pop();
  if (box === undefined) {
    return null;
  }
  const block: Block = { kind: 'box', ...box };
  if (stack.length === 0) {
    return block;
  }
  stack.at(-1)?.children.push(block);
  return null;
}

function attributesOf(tag: string, text: string): Attributes {
  if (tag !== 'th' && tag !== 'td') {
    return {};
  }
  const kept: Record<string, string> = {};
  const align = /\salign\s*=\s*["']?(left|center|right)\b/i.exec(text)?.[1];
  if (align !== undefined) {
    kept['align'] = align.toLowerCase();
  }
  for (const name of ['colspan', 'rowspan']) {
    const value = Number(
      new RegExp(`\\s${name}\\s*=\\s*["']?(\\d{1,4})`, 'i').exec(text)?.[1] ?? '0'
    );
    if (value >= 1 && value <= MAX_SPAN) {
      kept[name] = String(value);
    }
  }
  return kept;
}
