/** The lines of a paragraph, an item, a heading or a table of a harmless copy (see `copies.ts`). Pure. */
import { inline, sealed } from './copied-inlines';

const FRONT = /^[ \t]*(?:[-*+][ \t]|[0-9]{1,9}[.)][ \t]|#{1,6}[ \t]|>|\|)/;
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

/** Write lines of text. The lines of one item, heading or cell are read together. */
export function chunk(lines: readonly string[], keepsDollar: boolean): string {
  if (lines.some(line => line.includes('|') && DELIMITERS.test(line))) {
    const rows = lines.map(line =>
      line
        .split(/(?<!\\)\|/)
        .map(cell => inline(cell, keepsDollar, true))
        .join('|')
    );
    return sealed(rows.join('\n'));
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
  return sealed(segments.map(each => inline(each.join('\n'), keepsDollar)).join('\n'));
}

/** The number of marks in a line that may open a formula. */
export function countMarks(line: string): number {
  return line.split(/\$|\\\(|\\\[/).length - 1;
}
