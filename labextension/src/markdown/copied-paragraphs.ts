/** The lines of a paragraph, an item, a heading or a table of a harmless copy (see `copies.ts`). Pure. */
import { inline, sealed } from './copied-inlines';
import { MAX_MARKS, asCode, countEmphasis } from './copied-marks';

const FRONT = /^[ \t]*(?:[-*+][ \t]|[0-9]{1,9}[.)][ \t]|#{1,6}[ \t]|>|\|)/;
/** The mark of an item or a heading: the blanks before it, and its number. */
const ITEM = /^([ \t]*)(?:[-*+]|#{1,6}|([0-9]{1,9})[.)])[ \t]/;
const DELIMITERS = /^[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
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

/**
 * Counts the marks of segments that a renderer may read as one paragraph.
 *
 * An item begins a paragraph of its own if its mark stands where a list can begin or go on; a line of
 * a quote, or one that is indented too far, may continue the paragraph before it.
 */
class Paragraphs {
  constructor(private readonly _keepsDollar: boolean) {}

  /** Write a segment; as code if its paragraph has too many marks. */
  write(segment: readonly string[]): string {
    if (this._beginsItem(segment[0] ?? '')) {
      this._count = 0;
    }
    return this._bounded(segment.join('\n'), false);
  }

  /** Write the cells of a row, which begins a paragraph if the table is one. */
  writeRow(row: string, begins: boolean): string {
    if (begins) {
      this._count = 0;
    }
    const cells = row.split(/(?<!\\)\|/);
    return cells.map(cell => this._bounded(cell, true)).join('|');
  }

  private _bounded(text: string, isCell: boolean): string {
    const written = inline(text, this._keepsDollar, isCell);
    const marks = countEmphasis(written);
    if (this._count + marks > MAX_MARKS) {
      return asCode(text);
    }
    this._count += marks;
    return written;
  }

  private _beginsItem(line: string): boolean {
    const found = ITEM.exec(line);
    if (found === null) {
      return false;
    }
    const [, before = '', number] = found;
    const blanks = widthOf(before);
    const isOrdered = number !== undefined;
    if (blanks > this._furthest || (isOrdered && number !== '1' && !this._isOrdered)) {
      return false;
    }
    this._furthest = blanks + 5;
    this._isOrdered = isOrdered;
    return true;
  }

  private _count = 0;
  /** The most blanks before the mark of the next item. */
  private _furthest = 3;
  private _isOrdered = false;
}

/** The columns of blanks at the beginning of a line. */
function widthOf(blanks: string): number {
  return [...blanks].reduce((at, blank) => (blank === '\t' ? at + 4 - (at % 4) : at + 1), 0);
}

/** Write lines of text. The lines of one item, heading or cell are read together. */
export function chunk(lines: readonly string[], keepsDollar: boolean): string {
  const paragraphs = new Paragraphs(keepsDollar);
  if (lines.some(line => line.includes('|') && DELIMITERS.test(line))) {
    const isWhole = DELIMITERS.test(lines[1] ?? '');
    return sealed(lines.map(line => paragraphs.writeRow(line, isWhole)).join('\n'));
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
  return sealed(segments.map(each => paragraphs.write(each)).join('\n'));
}

/** The number of marks in a line that may open a formula. */
export function countMarks(line: string): number {
  return line.split(/\$|\\\(|\\\[/).length - 1;
}
