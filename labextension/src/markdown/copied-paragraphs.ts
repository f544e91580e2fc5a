/** The lines of a paragraph, an item, a heading or a table of a harmless copy (see `copies.ts`). Pure. */
import { inline, seal } from './copied-inlines';
import { MAX_MARKS, asCode, countEmphasis } from './copied-marks';

const FRONT = /^[ \t]*(?:[-*+][ \t]|[0-9]{1,9}[.)][ \t]|#{1,6}[ \t]|>|\|)/;
/** The mark of an item or a heading: quotes and blanks before it, and its number. */
const ITEM = /^((?:[ \t]*>)*)([ \t]*)(?:[-*+]|#{1,6}|([0-9]{1,9})[.)])[ \t]/;
const QUOTES = /^(?:[ \t]*>)*/;
const DELIMITERS = /^[ \t>]*(?:\|[ \t]*)?:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*(?:\|[ \t]*)?$/;
const CELL_END = /(?<!\\)\|/;
/** The most headings in a copy: JupyterLab lists each of them, so further ones become text. */
const MAX_HEADINGS = 100;
const HEADING = /^ {0,3}(?=#{1,6}(?:[ \t]|$))/;
const UNDERLINE = /^ {0,3}(?=(?:=+|-+)[ \t]*$)/;
/** The most lists and quotes that a line may open: JupyterLab's contents take long for more. */
const MAX_NESTING = 32;
const TOO_DEEP = new RegExp(
  `^(?:[ \\t]*(?:[-*+](?=[ \\t])|[0-9]{1,9}[.)](?=[ \\t])|>)){${MAX_NESTING}}[ \\t]*` +
    '(?:[0-9]{1,9}(?=[.)](?:[ \\t]|$))|(?=[-*+](?:[ \\t]|$)|>))'
);

/** Write the mark of a line's first list or quote beyond the limit as text. */
export function shallow(line: string): string {
  const deep = TOO_DEEP.exec(line)?.[0];
  return deep === undefined ? line : `${deep}\\${line.slice(deep.length)}`;
}

/** Counts the headings of a copy, and turns those beyond the limit into text. */
export class Headings {
  /** The first line of a paragraph. */
  first(line: string): string {
    return this._mark(line, HEADING);
  }

  /** Any other line: it may underline the one before it. */
  next(line: string): string {
    return this._mark(this._mark(line, HEADING), UNDERLINE);
  }

  private _mark(line: string, mark: RegExp): string {
    const front = mark.exec(line)?.[0];
    if (front === undefined) {
      return line;
    }
    this._count += 1;
    return this._count > MAX_HEADINGS ? `${front}\\${line.slice(front.length)}` : line;
  }

  private _count = 0;
}

interface NextItem {
  /** The most blanks before the mark of the next item. */
  readonly furthest: number;
  /** Whether any number may begin the next item. */
  readonly isOrdered: boolean;
}

/**
 * Counts the marks of lines that a renderer may read as one paragraph, up to an empty line.
 *
 * An item begins a paragraph of its own if its mark stands where a list can begin or go on. A line that
 * is indented too far, or in other quotes, may continue the paragraph before it.
 */
export class Paragraphs {
  constructor(private readonly _keepsDollar: boolean) {}

  /** Write a segment; as code if its paragraph has too many marks. */
  write(segment: readonly string[]): string {
    const item = this._item(segment[0] ?? '');
    const before = this._count;
    const isFirst = this._quotes === null;
    if (item !== null) {
      this._count = 0;
    }
    const text = segment.join('\n');
    const markdown = this._writeBounded(text, false);
    if (markdown === null) {
      this._count = before;
      return asCode(text);
    }
    this._quotes = quotesOf(segment.at(-1) ?? '');
    if (item !== null) {
      this._next = item;
    } else if (isFirst) {
      this._next = { ...this._next, isOrdered: false };
    }
    return markdown;
  }

  /** Write the cells of a row, which begins a paragraph if the table is one. */
  writeRow(row: string, begins: boolean): string {
    if (begins) {
      this._count = 0;
    }
    const cells = row.split(CELL_END);
    return cells.map(cell => this._writeBounded(cell, true) ?? asCode(cell)).join('|');
  }

  /** Write a text; null if its paragraph would have too many marks. */
  private _writeBounded(text: string, isCell: boolean): string | null {
    const markdown = inline(text, this._keepsDollar, isCell);
    const marks = countEmphasis(markdown);
    if (this._count + marks > MAX_MARKS) {
      return null;
    }
    this._count += marks;
    return markdown;
  }

  /** The bounds of the next item if this line begins one. */
  private _item(line: string): NextItem | null {
    const match = ITEM.exec(line);
    if (match === null || (this._quotes !== null && this._quotes !== quotesOf(match[1] ?? ''))) {
      return null;
    }
    const [, , before = '', number] = match;
    const blanks = widthOf(before);
    const isOrdered = number !== undefined;
    const { furthest } = this._next;
    return blanks > furthest || (isOrdered && number !== '1' && !this._next.isOrdered)
      ? null
      : { furthest: blanks + 5, isOrdered };
  }

  private _count = 0;
  /** How many quotes the last line was in; null before the first line. */
  private _quotes: number | null = null;
  private _next: NextItem = { furthest: 3, isOrdered: true };
}

function quotesOf(line: string): number {
  return (QUOTES.exec(line)?.[0] ?? '').split('>').length - 1;
}

/** The columns of blanks at the beginning of a line. */
function widthOf(blanks: string): number {
  return [...blanks].reduce((at, blank) => (blank === '\t' ? at + 4 - (at % 4) : at + 1), 0);
}

/** Write lines of text. The lines of one item, heading or cell are read together. */
export function chunk(lines: readonly string[], paragraphs: Paragraphs): string {
  if (lines.some(line => line.includes('|') && DELIMITERS.test(line))) {
    const head = headOfTable(lines);
    return seal(lines.map((row, at) => paragraphs.writeRow(row, at >= head)).join('\n'));
  }
  const segments: string[][] = [];
  for (const line of lines) {
    const last = segments.at(-1);
    if (last === undefined || FRONT.test(line)) {
      segments.push([line]);
    } else {
      last.push(line);
    }
  }
  return seal(segments.map(each => paragraphs.write(each)).join('\n'));
}

/** The index of a table's first row; that of no line if every renderer sees none. */
function headOfTable(lines: readonly string[]): number {
  const at = lines.findIndex(
    (line, index) =>
      index > 0 && DELIMITERS.test(line) && cellsOf(line) === cellsOf(lines[index - 1] ?? '')
  );
  return at < 0 ? lines.length : at - 1;
}

/** The number of cells in a row. */
function cellsOf(row: string): number {
  const cells = row.replace(/^[ \t>]+/, '').split(CELL_END);
  const isEmpty = (cell: string | undefined): boolean => /^[ \t]*$/.test(cell ?? '');
  return cells.length - Number(isEmpty(cells[0])) - Number(isEmpty(cells.at(-1)));
}

/** The number of marks in a line that may open a formula. */
export function countMarks(line: string): number {
  return line.split(/\$|\\\(|\\\[/).length - 1;
}
