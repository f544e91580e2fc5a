/**
 * The text of one paragraph, item, heading or cell of a harmless copy (see `copies.ts`). Pure.
 *
 * `inline` reads code spans, maths, tags and links as the dialect does, and writes them in a form that
 * looks right in most renderers. Safety rests on `seal` alone: it ignores the context, and leaves
 * nothing that any renderer could read as more than text.
 *
 * The twin of `jupyter_chat_stream/shared/markdown/inlines.py`.
 */
import { MAX_MARKS, asCode, countEmphasis } from './copied-marks';
import { ENVIRONMENT, RISKY_COMMAND, maths } from './copied-maths';
import { spanOf, at, encode, escapedTag, isBlank } from './copied-texts';

const TAGS = 'b br code del em i ins kbd mark q s samp small strong sub sup u var wbr'.split(' ');
const VOID = new Set(['br', 'wbr']);
/** The deepest nesting of tags; deeper tags become text. */
const MAX_TAGS = 32;
const SCHEME = '(?:[Hh][Tt][Tt][Pp][Ss]?://|[Mm][Aa][Ii][Ll][Tt][Oo]:)';
const SAFE = `[ \\t\\n]*${SCHEME}`;
const SAFE_ADDRESS = new RegExp(SAFE, 'y');
const BRACKETED = new RegExp(`[ \\t]*<(${SCHEME}[^<>\\n\\\\]*)>`, 'y');
const AUTOLINK = new RegExp(`<(${SCHEME}[A-Za-z0-9._~:/?#@%&=+,;-]*)>`, 'y');
const TAG = /<(\/?)([A-Za-z]{1,6})(?:[ \t\n][^<>]*)?\/?>/y;
const NUMBER = /&(?:#0{0,5}([0-9]{1,3})|#[xX]0{0,5}([0-9A-Fa-f]{1,2})|(dollar|bsol));?/y;
const PLAIN = /[^\\`$<&!\]{]+/y;
const PICTURE = new RegExp(`!\\[([^\\[\\]\\\\\`$<&!\\n]*)\\]\\(${SAFE}`, 'y');
const CODE_RISK = new RegExp(
  '<|&(?:#|dollar|bsol)|!\\[|\\]\\(|\\]:|[\\])]\\{|\\$\\$|\\\\[(\\[]|\\\\(?:begin|end)|:::|' +
    RISKY_COMMAND
);
/** Pandoc's attributes, and roles of other dialects. */
const ATTRIBUTES = /\{(?:[#.:=]|[A-Za-z][A-Za-z0-9_-]{0,40}=|[a-z:-]{1,40}\}`)/y;
/** The most characters that are searched for the ends of formulas. */
const MAX_EFFORT = 200_000;
const BLANKS = /[ \t\n]*/y;

const SEALS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`<(?!/?(?:${TAGS.join('|')}|span)>)`, 'g'), '&lt;'],
  [/!(?=\[)/g, '&#33;'],
  [new RegExp(`\\](?=[(:])(?![(:]${SAFE})`, 'g'), '&#93;'],
  [/(?<=[\])`>])\{/g, '&#123;'],
  [/:(?=::)/g, '&#58;']
];

/**
 * Write the text of one paragraph, item, heading or cell.
 *
 * `keepsDollar`: no other dollar is near with which a dollar could form a formula.
 */
export function inline(text: string, keepsDollar: boolean, isCell = false): string {
  return new CopiedInline(text, keepsDollar, isCell).markdown();
}

/** Write and seal a text that stands alone; as code if it has too many marks. */
export function sealAlone(text: string): string {
  const markdown = inline(text, false);
  return countEmphasis(markdown) <= MAX_MARKS ? seal(markdown) : asCode(text);
}

/** Remove from a text everything that a renderer could read as more than text. */
export function seal(text: string): string {
  return SEALS.reduce((result, [pattern, instead]) => result.replace(pattern, instead), text);
}

class CopiedInline {
  constructor(
    private readonly _text: string,
    private readonly _keepsDollar: boolean,
    private readonly _isCell: boolean
  ) {}

  markdown(): string {
    while (this._at < this._text.length) {
      const match = at(PLAIN, this._text, this._at);
      if (match !== null) {
        this._write(match[0], match[0].length);
      } else {
        this._mark(this._text[this._at] ?? '');
      }
    }
    return this._out.join('');
  }

  private _mark(mark: string): void {
    switch (mark) {
      case '\\':
        return this._backslash();
      case '`':
        return this._code();
      case '$':
        return this._dollar();
      case '<':
        return this._tag();
      case '&':
        return this._entity();
      case '!':
        return this._picture();
      case ']':
        return this._address();
      default:
        return this._brace();
    }
  }

  private _write(markdown: string, length: number): void {
    this._out.push(markdown);
    this._at += length;
  }

  private _backslash(): void {
    const following = this._text[this._at + 1] ?? '';
    if (following === '(' || following === '[') {
      const closer = following === '(' ? '\\)' : '\\]';
      const end = this._endOfMaths(closer, this._at + 2);
      if (end !== null) {
        this._maths(`\\\\${following}`, `\\${closer}`, this._at + 2, end);
        return;
      }
    }
    if (following === '$') {
      this._write(this._dollars(1), 2);
    } else if (following === '\\') {
      this._write(spanOf(92), 2);
    } else if (following !== '' && '()[]`<>!&{}'.includes(following)) {
      this._write(`&#${following.charCodeAt(0)};`, 2);
    } else if (/[A-Za-z]/.test(following)) {
      const isEnvironment = at(new RegExp(ENVIRONMENT, 'y'), this._text, this._at) !== null;
      this._write(isEnvironment ? spanOf(92) : '\\', 1);
    } else {
      this._write(`\\${following}`, 1 + following.length);
    }
  }

  private _code(): void {
    let size = 1;
    while (this._text[this._at + size] === '`') {
      size += 1;
    }
    const end = this._endOfCode(size);
    if (end === null) {
      this._write('&#96;'.repeat(size), size);
      return;
    }
    let code = this._text.slice(this._at + size, end);
    const length = end + size - this._at;
    if (!CODE_RISK.test(code) && (this._keepsDollar || !code.includes('$'))) {
      this._write(this._text.slice(this._at, end + size), length);
      return;
    }
    code = code.replaceAll('\n', ' ');
    code = this._isCell ? code.replaceAll('\\|', '|') : code;
    if (/[^ ]/.test(code) && code.startsWith(' ') && code.endsWith(' ')) {
      code = code.slice(1, -1);
    }
    this._write(`<code>${encode(code)}</code>`, length);
  }

  private _endOfCode(size: number): number | null {
    if (this._runs === null) {
      this._runs = new Map();
      for (const match of this._text.matchAll(/`+/g)) {
        const places = this._runs.get(match[0].length) ?? [];
        places.push(match.index);
        this._runs.set(match[0].length, places);
      }
      this._runs.forEach(places => places.reverse());
    }
    const places = this._runs.get(size) ?? [];
    while ((places.at(-1) ?? Infinity) <= this._at) {
      places.pop();
    }
    return places.at(-1) ?? null;
  }

  private _dollar(): void {
    let size = this._text.startsWith('$$', this._at) ? 2 : 1;
    const mark = '$'.repeat(size);
    const end = size === 1 ? this._endOfDollar() : this._endOfMaths(mark, this._at + 2);
    if (end !== null) {
      this._maths(mark, mark, this._at + size, end);
      return;
    }
    while (size > 1 && this._text[this._at + size] === '$') {
      size += 1;
    }
    this._write(this._dollars(size), size);
  }

  private _dollars(count: number): string {
    return this._keepsDollar && count === 1 ? '$' : spanOf(36).repeat(count);
  }

  private _endOfDollar(): number | null {
    const start = this._at + 1;
    const end = this._find('$', start);
    if (end === null || end === start || isBlank(this._text[start])) {
      return null;
    }
    if (isBlank(this._text[end - 1]) || /[0-9$]/.test(this._text[end + 1] ?? '')) {
      return null;
    }
    return this._isFormula(start, end) ? end : null;
  }

  private _endOfMaths(closer: string, start: number): number | null {
    const end = this._find(closer, start);
    const blanks = at(BLANKS, this._text, start)?.[0].length ?? 0;
    if (end === null || start + blanks >= end) {
      return null;
    }
    const isLikeLink = closer === '\\]' && /[(:]/.test(this._text[end + 2] ?? '');
    return !isLikeLink && this._isFormula(start, end) ? end : null;
  }

  /** Whether a formula holds no code and its braces close, so that it ends where it seems to. */
  private _isFormula(start: number, end: number): boolean {
    const tick = this._find('`', start, '');
    if ((tick !== null && tick < end) || this._effort > MAX_EFFORT) {
      return false;
    }
    let depth = 0;
    for (let place = start; place < end; place += 1) {
      const mark = this._text[place];
      if (mark === '\\' && place + 1 < end && this._text[place + 1] !== '\n') {
        place += 1;
      } else if (mark === '{') {
        depth += 1;
      } else if (mark === '}' && depth > 0) {
        depth -= 1;
      }
    }
    this._effort += depth > 0 ? end - start : 0;
    return depth === 0;
  }

  /** Find a mark without a backslash before it. */
  private _find(mark: string, start: number, escape = '\\'): number | null {
    const search = this._searches.get(mark);
    if (search !== undefined && search.start <= start) {
      if (search.end === null || start <= search.end) {
        return search.end;
      }
    }
    let place = start;
    while (place < this._text.length && !this._text.startsWith(mark, place)) {
      place += this._text[place] === escape ? 2 : 1;
    }
    const end = place < this._text.length ? place : null;
    this._searches.set(mark, { start, end });
    return end;
  }

  private _maths(opener: string, closer: string, start: number, end: number): void {
    let content = maths(this._text.slice(start, end));
    if (!opener.startsWith('$')) {
      content = content.replace(/(?<!\\)\$/g, () => '\\$');
    }
    if (content.endsWith('\\')) {
      content += ' ';
    }
    this._out.push(`${opener}${content}${closer}`);
    this._at = end + (opener === '$' ? 1 : 2);
  }

  private _tag(): void {
    const address = at(AUTOLINK, this._text, this._at);
    if (address !== null) {
      this._write(`[${address[1]}](${address[1]})`, address[0].length);
      return;
    }
    const match = at(TAG, this._text, this._at);
    const name = match?.[2]?.toLowerCase() ?? '';
    if (match === null || !TAGS.includes(name)) {
      this._write('&lt;', 1);
    } else if (VOID.has(name)) {
      this._write(`<${name}>`, match[0].length);
    } else if (match[1] === '/') {
      this._closing(name, match[0]);
    } else {
      this._opening(name, match[0]);
    }
  }

  private _opening(name: string, source: string): void {
    if (this._openTags.length < MAX_TAGS) {
      this._openTags.push({ name, place: this._out.length });
    }
    this._write(escapedTag(source), source.length);
  }

  private _closing(name: string, source: string): void {
    if (!this._openTags.some(tag => tag.name === name)) {
      this._write(escapedTag(source), source.length);
      return;
    }
    for (let tag = this._openTags.pop(); tag !== undefined; tag = this._openTags.pop()) {
      if (tag.name === name) {
        this._out[tag.place] = `<${name}>`;
        break;
      }
    }
    this._write(`</${name}>`, source.length);
  }

  /** Write a letter's character reference as the letter, because it could be part of a name. */
  private _entity(): void {
    const match = at(NUMBER, this._text, this._at);
    if (match === null) {
      this._write('&', 1);
      return;
    }
    const [source, decimal, hexadecimal, name] = match;
    const namedCode = name === 'dollar' ? 36 : 92;
    const code =
      decimal !== undefined
        ? parseInt(decimal, 10)
        : hexadecimal !== undefined
          ? parseInt(hexadecimal, 16)
          : namedCode;
    if (code === 36 || code === 92) {
      this._write(spanOf(code), source.length);
    } else if (/[A-Za-z]/.test(String.fromCharCode(code))) {
      this._write(String.fromCharCode(code), source.length);
    } else {
      this._write('&', 1);
    }
  }

  private _picture(): void {
    if (this._text[this._at + 1] !== '[') {
      this._write('!', 1);
      return;
    }
    const match = at(PICTURE, this._text, this._at);
    const isAlone = this._text[this._at - 1] !== '!';
    if (match === null || !isAlone) {
      this._write('&#33;', 1);
    } else if (/[^ \t]/.test(match[1] ?? '')) {
      this._write('', 1); // a link instead of the picture
    } else {
      this._write('[picture', 2);
    }
  }

  private _address(): void {
    const following = this._text[this._at + 1] ?? '';
    if (following !== '(' && following !== ':') {
      this._write(']', 1);
      return;
    }
    if (following === ':' && this._isFootnote()) {
      this._write('&#93;:', 2);
      return;
    }
    const match = at(BRACKETED, this._text, this._at + 2);
    if (match !== null) {
      const address = (match[1] ?? '').replace(
        /[ ()"'`$!\[\]{}]/g,
        char => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
      );
      const end = this._at + 2 + match[0].length;
      this._write(`]${following}${following === ':' ? ' ' : ''}${address}`, 0);
      this._at = end;
    } else if (at(SAFE_ADDRESS, this._text, this._at + 2) !== null) {
      this._write(`]${following}`, 2);
    } else {
      this._write(`&#93;${following}`, 2);
    }
  }

  private _isFootnote(): boolean {
    let front = this._at - 1;
    while (front >= 0 && !' \t\n[]'.includes(this._text[front] ?? ' ')) {
      front -= 1;
    }
    return this._text.startsWith('[^', Math.max(0, front));
  }

  private _brace(): void {
    this._write(at(ATTRIBUTES, this._text, this._at) === null ? '{' : '&#123;', 1);
  }

  private _at = 0;
  private readonly _out: string[] = [];
  /** Opening tags without their closing tag yet: the name, and the place in `_out`. */
  private readonly _openTags: { readonly name: string; readonly place: number }[] = [];
  private _runs: Map<number, number[]> | null = null;
  /** By mark: the start and the end of its last search, so that no text is searched twice. */
  private readonly _searches = new Map<
    string,
    { readonly start: number; readonly end: number | null }
  >();
  private _effort = 0;
}
