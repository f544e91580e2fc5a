/**
 * Draws a long plain text, in chunks that the browser lays out one by one, and only when they are seen.
 *
 * The whole text is drawn. A note, if there is one, stands above it.
 */
import { ownElement } from './nodes';
import { type Work } from './frames';
import { write } from './inline';

/** The most characters in one chunk; a longer line continues in the next chunk. */
const CHUNK = 4_000;
const CHARS_IN_A_LINE = 100;
/** Many combining marks on one letter: the browser's time grows with the square of their number. */
export const PILED_MARKS = /\p{M}{60}/u;
const CHUNK_OF_MARKS = 300;

interface Chunk {
  readonly node: HTMLElement;
  readonly text: Text;
}

export class PlainText {
  constructor(host: HTMLElement, note: string, chunk = CHUNK) {
    this._host = host;
    this._chunk = chunk;
    if (note !== '') {
      const line = ownElement('p', 'jp-ChatStream-note');
      line.textContent = note;
      host.append(line);
    }
  }

  /** Show this text. If it begins with the text shown before, only the rest is drawn. */
  *show(text: string): Work {
    if (!text.startsWith(this._text)) {
      this._chunks.splice(0).forEach(({ node }) => node.remove());
      this._from = 0;
    }
    this._text = text;
    for (;;) {
      const isPiled = PILED_MARKS.test(text.slice(this._from, this._from + this._chunk));
      const to = endOfChunk(text, this._from, isPiled ? CHUNK_OF_MARKS : this._chunk);
      this._write(text.slice(this._from, to));
      if (to >= text.length) {
        return;
      }
      this._chunks.at(-1)?.node.style.setProperty('--jp-chat-lines', linesOf(text, this._from, to));
      this._from = to;
      this._add();
      yield;
    }
  }

  private _write(text: string): void {
    const last = this._chunks.at(-1) ?? this._add();
    write(last.text, last.text.data, text);
  }

  private _add(): Chunk {
    const chunk = {
      node: ownElement('span', 'jp-ChatStream-chunk'),
      text: document.createTextNode('')
    };
    chunk.node.append(chunk.text);
    this._host.append(chunk.node);
    this._chunks.push(chunk);
    return chunk;
  }

  tail(): HTMLElement {
    return this._chunks.at(-1)?.node ?? this._host;
  }

  private readonly _host: HTMLElement;
  private readonly _chunk: number;
  private readonly _chunks: Chunk[] = [];
  /** Where the last chunk begins. */
  private _from = 0;
  private _text = '';
}

/** The estimated number of lines of a chunk, which the browser uses until it lays the chunk out. */
function linesOf(text: string, from: number, to: number): string {
  let count = 0;
  for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) {
    count += 1;
  }
  return String(Math.max(count, Math.ceil((to - from) / CHARS_IN_A_LINE)));
}

/** The end of the chunk that begins at `from`: after a line if possible, never inside a character. */
function endOfChunk(text: string, from: number, size: number): number {
  const limit = from + size;
  if (limit >= text.length) {
    return text.length;
  }
  const line = text.lastIndexOf('\n', limit - 1);
  if (line > from) {
    return line + 1;
  }
  const blank = text.lastIndexOf(' ', limit - 1);
  if (blank > from + size / 2) {
    return blank + 1;
  }
  return /[\udc00-\udfff]/.test(text[limit] ?? '') ? limit - 1 : limit;
}
