/** Reads a table written in HTML into blocks. A table with any other tag becomes text. Pure. */
import { type Attributes } from './inline';
import { type Block, type Leaf } from './tree';

const TAG = /<(\/?)(table|caption|thead|tbody|tfoot|tr|th|td)((?:\s[^<>]*)?)>/gi;
const CELLS = new Set(['caption', 'th', 'td']);
const PARENTS: Readonly<Record<string, readonly string[]>> = {
  table: [],
  caption: ['table'],
  thead: ['table'],
  tbody: ['table'],
  tfoot: ['table'],
  tr: ['table', 'thead', 'tbody', 'tfoot'],
  th: ['tr'],
  td: ['tr']
};
/** The largest span of a cell: the browser needs too long to lay out larger ones. */
const MAX_SPAN = 100;

interface Open {
  readonly tag: string;
  readonly attributes: Attributes;
  readonly children: Block[];
}

/** Read a table; its source as text if it is none. */
export function htmlTableOf(source: string): Block {
  const text: Leaf = { kind: 'leaf', tag: 'p', attributes: {}, source: source.trim() };
  const reader = new TableReader();
  let last = 0;
  for (const match of source.matchAll(TAG)) {
    const [whole, slash = '', name = '', attributes = ''] = match;
    const tag = name.toLowerCase();
    if (!reader.text(source.slice(last, match.index))) {
      return text;
    }
    if (!(slash === '' ? reader.open(tag, attributes) : reader.close(tag))) {
      return text;
    }
    last = match.index + whole.length;
  }
  return source.slice(last).trim() === '' ? (reader.table ?? text) : text;
}

/** Builds a table from its tags. Each call returns whether the tags so far can be a table. */
class TableReader {
  /** The table, once it is closed. */
  table: Block | null = null;

  /** Add the text before a tag, which belongs to a cell. */
  text(source: string): boolean {
    this._source += source;
    return this._cell !== null || source.trim() === '';
  }

  open(tag: string, attributes: string): boolean {
    if (this.table !== null || (tag === 'table' && this._stack.length > 0)) {
      return false;
    }
    this._closeCell();
    const parents = PARENTS[tag] ?? [];
    while (this._stack.length > 1 && !parents.includes(this._parent)) {
      this._closeBox();
    }
    if (tag !== 'table' && !parents.includes(this._parent)) {
      return false;
    }
    const element = { tag, attributes: attributesOf(tag, attributes), children: [] };
    if (CELLS.has(tag)) {
      this._cell = element;
      this._source = '';
    } else {
      this._stack.push(element);
    }
    return true;
  }

  close(tag: string): boolean {
    const isCell = this._cell?.tag === tag;
    this._closeCell();
    if (isCell) {
      return true;
    }
    while (this._stack.length > 1 && this._parent !== tag) {
      this._closeBox();
    }
    if (this._parent !== tag) {
      return false;
    }
    this._closeBox();
    return true;
  }

  private get _parent(): string {
    return this._stack.at(-1)?.tag ?? '';
  }

  private _closeCell(): void {
    if (this._cell !== null) {
      const { tag, attributes } = this._cell;
      const source = this._source.trim();
      this._stack.at(-1)?.children.push({ kind: 'leaf', tag, attributes, source });
    }
    this._cell = null;
    this._source = '';
  }

  private _closeBox(): void {
    const box = this._stack.pop();
    if (box === undefined) {
      return;
    }
    const block: Block = { kind: 'box', ...box };
    if (this._stack.length === 0) {
      this.table = block;
    } else {
      this._stack.at(-1)?.children.push(block);
    }
  }

  private readonly _stack: Open[] = [];
  private _cell: Open | null = null;
  private _source = '';
}

function attributesOf(tag: string, text: string): Attributes {
  if (tag !== 'th' && tag !== 'td') {
    return {};
  }
  const attributes: Record<string, string> = {};
  const align = /\salign\s*=\s*["']?(left|center|right)\b/i.exec(text)?.[1];
  if (align !== undefined) {
    attributes['align'] = align.toLowerCase();
  }
  for (const name of ['colspan', 'rowspan']) {
    const match = new RegExp(`\\s${name}\\s*=\\s*["']?(\\d{1,4})`, 'i').exec(text);
    const value = Number(match?.[1] ?? '0');
    if (value >= 1) {
      attributes[name] = String(Math.min(value, MAX_SPAN));
    }
  }
  return attributes;
}
