/**
 * A long text as it is, in chunks that the browser lays out on their own, and only when they are seen.
 * Nothing is left out. An empty note says nothing.
 */
import { own } from './drawing';
import { type Work } from './frames';
import { write } from './inline';

/** Characters in one chunk; a longer line goes on in the next one. */
const CHUNK = 4_000;
const CHARS_IN_A_LINE = 100;
/** Combining marks on one letter; a pile takes the browser the square of its height. */
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
      const line = own('p', 'jp-ChatStream-note');
      line.textContent = note;
      host.append(line);
    }
  }

  /** Show this text; what was shown is kept as far as it is the same. */
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
    const chunk = { node: own('span', 'jp-ChatStream-chunk'), text: document.createTextNode('') };
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

/** About how many lines a chunk has on the screen: what the browser reckons with until it is seen. */
function linesOf(text: string, from: number, to: number): string {
  let count = 0;
  for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) {
    count += 1;
  }
  return String(Math.max(count, Math.ceil((to - from) / CHARS_IN_A_LINE)));
}

/** The end of the chunk that begins at `from`: behind a line if there is one, never in a character. */
export function endOfChunk(text: string, from: number, size: number): number {
  const most = from + size;
  if (most >= text.length) {
    return text.length;
  }
  const line = text.lastIndexOf('\n', most - 1);
  if (line > from) {
    return line + 1;
  }
  const blank = text.lastIndexOf(' ', most - 1);
  if (blank > from + size / 2) {
    return blank + 1;
  }
  return /[\udc00-\udfff]/.test(text[most] ?? '') ? most - 1 : most;
}
