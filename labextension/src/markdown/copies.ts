/**
 * Turns the Markdown of an answer into Markdown that is harmless in every renderer. Pure.
 *
 * An answer is untrusted, and the renderers of a copy (JupyterLab, nbconvert, GitHub, pandoc …) do not
 * agree on what is code, HTML, maths or a link. So safety does not rest on one reading: outside of
 * fences, nothing is left that could load, run or link in any of them, and every fence stands where
 * all of them recognise it. Only the appearance of a copy depends on this module's own reading.
 *
 * The twin of `jupyter_chat_stream/shared/markdown/copies.py`: both write the same (`tests/vectors/copies`).
 */
import { sealAlone } from './copied-inlines';
import { RISKY_COMMAND } from './copied-maths';
import { Headings, Paragraphs, chunk, countMarks, shallow } from './copied-paragraphs';
import { blanksOf, encode, isEmpty, stripEnd, strip, visible } from './copied-texts';

const FENCE = /^( {0,3})(`{3,}|~{3,})([^\n]*)$/;
const NESTED = /^((?:[ \t]|>|[-*+][ \t]|[0-9]{1,9}[.)][ \t])*)(`{3,}|~{3,})([^\n]*)$/;
const LANGUAGE = /^[ \t{}=]*([A-Za-z0-9_+#.-]{1,40})/;
const LIST_ITEM = /^[ \t]*(?:[-*+]|[0-9]{1,9}[.)])(?:[ \t]|$)/;
const DETAILS = /^ {0,3}<details((?:[ \t][^<>]*)?)>/i;
const OPEN = /[ \t]open(?:[ \t=]|$)/i;
const DETAILS_END = /<\/details[ \t]*>[ \t]*$/i;
const SUMMARY = /^ {0,3}<summary(?:[ \t][^<>]*)?>/i;
const SUMMARY_END = /<\/summary[ \t]*>/i;
const HR = /^ {0,3}<hr[ \t]*\/?>[ \t]*$/i;
const RULE = /^---[ \t]*$/;
const INDENT = /^(?: {4}| {0,3}\t)/;
const MATHS = new Map([
  ['$$', '$$'],
  ['\\[', '\\]']
]);
/** Text that is rewritten even in code, because not every renderer recognises that code. */
const RISK = new RegExp(
  '[<$]|&(?:#|dollar|bsol)|!\\[|\\]\\(|\\]:|[\\])`]\\{|\\\\[(\\[]|\\\\(?:begin|end)|:::|mermaid|' +
    RISKY_COMMAND
);
/** The deepest nesting of folds; deeper folds become text. */
const MAX_FOLDS = 32;
/** A summary with more lines becomes text. */
const MAX_SUMMARY_LINES = 20;
/** The most characters of list and quote marks before a fence. */
const MAX_FRONT = 200;
const CUT = '\n\n…';

/** Rewrite Markdown so that it is harmless in every renderer. Every character stays visible. */
export function harmless(text: string): string {
  return new Copy(visible(text).split('\n')).markdown();
}

/** Rewrite as much of a text's beginning as fits, with `…` at the cut. */
export function harmlessStart(text: string, mostBytes: number): string {
  const source = new TextEncoder().encode(visible(text));
  const maxBytes = mostBytes - bytesOf(CUT);
  let size = Math.min(maxBytes, source.length);
  while (size > 0) {
    let end = size;
    while (((source[end] ?? 0) & 0xc0) === 0x80) {
      end -= 1;
    }
    const start = harmless(new TextDecoder().decode(source.subarray(0, end)));
    const bytes = bytesOf(start);
    if (bytes <= maxBytes) {
      return size === source.length ? start : `${start}${CUT}`;
    }
    size = Math.min(size - 64, Math.floor((size * maxBytes) / bytes));
  }
  return '…';
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Rewrites one text, line by line. */
class Copy {
  constructor(private readonly _lines: string[]) {
    this._keepsDollar = _lines.reduce((count, line) => count + countMarks(line), 0) <= 1;
    this._marks = new Paragraphs(this._keepsDollar);
  }

  markdown(): string {
    while (this._at < this._lines.length) {
      this._block();
    }
    for (; this._folds > 0; this._folds -= 1) {
      this._writeBlock(['</details>']);
    }
    return strip(this._out.join('\n'), '\n');
  }

  private _block(): void {
    const line = this._line(this._at);
    if (isEmpty(line)) {
      if ((this._out.at(-1) ?? '') !== '') {
        this._out.push('');
      }
      this._at += 1;
    } else if (!(this._fence(line) || this._fold(line) || this._maths(line) || this._code(line))) {
      this._paragraph();
    }
  }

  private _line(at: number): string {
    return this._lines[at] ?? '';
  }

  /** Write lines between empty ones, so that every renderer recognises a block. */
  private _writeBlock(lines: readonly string[]): void {
    if ((this._out.at(-1) ?? '') !== '') {
      this._out.push('');
    }
    for (const line of lines) {
      this._out.push(line);
    }
    this._out.push('');
  }

  private _fence(line: string): boolean {
    const match = FENCE.exec(line);
    if (match !== null && !(match[1] !== '' && this._isInList) && isFence(match)) {
      this._topFence((match[1] ?? '').length, match[2] ?? '', match[3] ?? '');
      return true;
    }
    const nestedMatch = NESTED.exec(line);
    if (nestedMatch === null || !isFence(nestedMatch) || this._isIndented(line)) {
      return false;
    }
    this._nestedFence(nestedMatch[1] ?? '', nestedMatch[2] ?? '', nestedMatch[3] ?? '');
    return true;
  }

  private _topFence(indent: number, marks: string, info: string): void {
    let end = this._at + 1;
    while (end < this._lines.length && !closes(this._line(end), marks)) {
      end += 1;
    }
    const code = this._lines.slice(this._at + 1, end).map(line => outdent(line, indent));
    this._writeCode(code, info);
    this._isInList = false;
    this._at = end + 1;
  }

  private _writeCode(code: readonly string[], info: string): void {
    const name = LANGUAGE.exec(info)?.[1] ?? '';
    const language = name.toLowerCase().includes('mermaid') ? '' : name; // it would be run
    let longest = 0;
    for (const [run] of code.join('\n').matchAll(/`+/g)) {
      longest = Math.max(longest, run.length);
    }
    const fence = '`'.repeat(Math.max(3, longest + 1));
    this._writeBlock([`${fence}${language}`, ...code, fence]);
  }

  /** Keep a fence in a list or a quote if it is harmless as text, too; else write it as HTML. */
  private _nestedFence(front: string, marks: string, info: string): void {
    const quotes = front.split('>').length - 1;
    const indent = front.replaceAll('\t', '    ').length;
    const code: string[] = [];
    let end = this._at + 1;
    let isClosed = false;
    while (end < this._lines.length && !isClosed) {
      const line = withoutMarks(this._line(end), quotes, indent);
      if (line === null) {
        break;
      }
      isClosed = closes(line, marks);
      if (!isClosed) {
        code.push(line);
      }
      end += 1;
    }
    if (isClosed && !RISK.test(`${info}\n${code.join('\n')}`)) {
      for (const line of this._lines.slice(this._at, end)) {
        this._out.push(line);
      }
    } else {
      this._out.push(`${front}<pre><code>${encode(code.join('\n'))}</code></pre>`);
    }
    this._at = end;
  }

  /** Whether the indentation makes a line code. */
  private _isIndented(line: string): boolean {
    return (this._out.at(-1) ?? '') === '' && !this._isInList && INDENT.test(line);
  }

  private _code(line: string): boolean {
    if (!this._isIndented(line)) {
      return false;
    }
    let end = this._at;
    for (let at = this._at; at < this._lines.length; at += 1) {
      if (INDENT.test(this._line(at))) {
        end = at + 1;
      } else if (!isEmpty(this._line(at))) {
        break;
      }
    }
    const code = this._lines.slice(this._at, end).map(each => each.replace(INDENT, ''));
    this._writeCode(code, '');
    this._at = end;
    return true;
  }

  /** Write a formula that fills whole lines, with marks that all renderers know. */
  private _maths(line: string): boolean {
    const first = line.replace(/^ +/, '');
    const opener = first.slice(0, 2);
    const closer = MATHS.get(opener);
    if (
      closer === undefined ||
      this._isIndented(line) ||
      (this._noEnd.get(closer) ?? -1) > this._at
    ) {
      return false;
    }
    let end = this._at;
    let rest = first.slice(2);
    while ((!isEmpty(rest) || end === this._at) && !rest.includes(closer)) {
      end += 1;
      rest = this._line(end);
    }
    const last = stripEnd(rest);
    if (!last.endsWith(closer) || last.indexOf(closer) < last.length - 2) {
      this._noEnd.set(closer, end);
      return false;
    }
    const source = [first.slice(2), ...this._lines.slice(this._at + 1, end + 1)].join('\n');
    const content = strip(stripEnd(source).slice(0, -2), ' \t\n');
    if (content === '' || content.includes('`') || content.includes('$$')) {
      return false;
    }
    // It is treated like a paragraph, so that `inline` decides which parts may stay.
    this._writeBlock([sealAlone(`${opener}${content}${closer}`)]);
    this._at = end + 1;
    return true;
  }

  private _fold(line: string): boolean {
    if (HR.test(line)) {
      this._writeBlock(['<hr>']);
      this._at += 1;
      return true;
    }
    const match = DETAILS.exec(line);
    if (match !== null && this._folds < MAX_FOLDS) {
      this._folds += 1;
      this._isInList = false;
      this._lines[this._at] = line.slice(match[0].length);
      const summary = this._summary();
      const attribute = OPEN.test(match[1] ?? '') ? ' open' : '';
      this._writeBlock([`<details${attribute}>${summary}`]);
      return true;
    }
    const closing = this._folds > 0 ? DETAILS_END.exec(line) : null;
    if (closing === null) {
      return false;
    }
    const before = line.slice(0, closing.index);
    if (!isEmpty(before)) {
      this._out.push(chunk([before], this._paragraphs()));
    }
    this._writeBlock(['</details>']);
    this._folds -= 1;
    this._isInList = false;
    this._at += 1;
    return true;
  }

  /** Read the summary at the beginning of a fold. */
  private _summary(): string {
    let at = this._at;
    while (at < this._lines.length && isEmpty(this._line(at))) {
      at += 1;
    }
    const match = SUMMARY.exec(this._line(at));
    if (match === null) {
      return '';
    }
    let text = this._line(at).slice(match[0].length);
    let end = at;
    let closing = SUMMARY_END.exec(text);
    while (closing === null) {
      end += 1;
      const isOver = end >= this._lines.length || end - at >= MAX_SUMMARY_LINES;
      if (isOver || isEmpty(this._line(end))) {
        return '';
      }
      text = `${text}\n${this._line(end)}`;
      closing = SUMMARY_END.exec(text);
    }
    const inner = strip(text.slice(0, closing.index).replace(/[ \t\n]+/g, ' '), ' ');
    this._lines[end] = text.slice(closing.index + closing[0].length);
    this._at = end;
    return `<summary>${sealAlone(inner)}</summary>`;
  }

  private _paragraph(): void {
    let first = this._line(this._at);
    if ((this._out.at(-1) ?? '') === '' && RULE.test(first)) {
      first = '***'; // Pandoc reads settings between two such lines.
    }
    const lines = [this._headings.first(shallow(first))];
    this._noteList(first);
    this._at += 1;
    while (this._at < this._lines.length && !this._beginsBlock(this._line(this._at))) {
      const line = this._line(this._at);
      lines.push(this._headings.next(shallow(line)));
      this._noteList(line);
      this._at += 1;
    }
    this._out.push(chunk(lines, this._paragraphs()));
  }

  /** The count of marks that the next lines continue. */
  private _paragraphs(): Paragraphs {
    if ((this._out.at(-1) ?? '') === '') {
      this._marks = new Paragraphs(this._keepsDollar);
    }
    return this._marks;
  }

  private _noteList(line: string): void {
    if (LIST_ITEM.test(line)) {
      this._isInList = true;
    } else if (!/^[ \t]/.test(line) && (this._out.at(-1) ?? '') === '') {
      this._isInList = false;
    }
  }

  private _beginsBlock(line: string): boolean {
    if (isEmpty(line) || HR.test(line) || DETAILS.test(line)) {
      return true;
    }
    if (this._folds > 0 && DETAILS_END.test(line)) {
      return true;
    }
    const fence = NESTED.exec(line);
    const isMaths = MATHS.has(line.replace(/^ +/, '').slice(0, 2));
    return isMaths || (fence !== null && isFence(fence));
  }

  private _at = 0;
  private readonly _out: string[] = [];
  private _folds = 0;
  private _isInList = false;
  private readonly _headings = new Headings();
  /** Whether the text has a single dollar, which cannot form a formula with another one. */
  private readonly _keepsDollar: boolean;
  private _marks: Paragraphs;
  /** From where a formula's end is known to be missing, so that it is searched once. */
  private readonly _noEnd = new Map<string, number>();
}

function isFence(match: RegExpExecArray): boolean {
  const [, front = '', marks = '', info = ''] = match;
  const isNear = front.length <= MAX_FRONT && shallow(match[0]) === match[0];
  return isNear && !(marks.startsWith('`') && info.includes('`'));
}

function closes(line: string, marks: string): boolean {
  const text = strip(line, ' \t');
  return text.length >= marks.length && (marks.startsWith('`') ? /^`*$/ : /^~*$/).test(text);
}

function outdent(line: string, indent: number): string {
  return line.slice(Math.min(blanksOf(line), indent));
}

/** A line without the marks around its fence; null if the line is outside of the fence. */
function withoutMarks(source: string, quotes: number, indent: number): string | null {
  if (quotes > 0) {
    const match = new RegExp(`^(?:[ \\t]{0,3}>){${quotes}} ?`).exec(source);
    return match === null ? null : source.slice(match[0].length);
  }
  const line = source.replaceAll('\t', '    ');
  const blanks = blanksOf(line);
  return !isEmpty(line) && blanks < Math.min(indent, 2)
    ? null
    : line.slice(Math.min(blanks, indent));
}
