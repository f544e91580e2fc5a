/** Bare addresses: `http://…`, `https://…`, `www.…`, as GFM's extended autolinks. */
import { type StateInline, type Token } from 'markdown-it';

const SCHEME = /(?:^|[^a-z0-9])(https?)$/i;
const WWW = /(^|[\s*_~(])(www\.[^\s<]+)/g;
const FRONTS = new Set(['em_open', 'hardbreak', 's_open', 'softbreak', 'strong_open']);
const END_OF_WORD = /[\s<]/g;
const DOMAIN = /^[a-z0-9\u0080-\uffff_-]+(\.[a-z0-9\u0080-\uffff_-]+)*/i;

/** `://` after `http` or `https`. */
export function autolink(state: StateInline, isSilent: boolean): boolean {
  const { src, pos } = state;
  if (src[pos] !== ':' || !src.startsWith('://', pos) || state.linkLevel > 0) {
    return false;
  }
  const scheme = SCHEME.exec(state.pending.slice(-6))?.[1];
  if (scheme === undefined) {
    return false;
  }
  const rest = pos + 3;
  if (!DOMAIN.test(src.slice(rest, rest + 1))) {
    return false;
  }
  const address = trimAddress(src.slice(rest, endOfWord(state, rest)));
  if (!isDomain(address)) {
    return false;
  }
  if (!isSilent) {
    state.pending = state.pending.slice(0, -scheme.length);
    pushLink(state, `${scheme}://${address}`);
  }
  state.pos = rest + address.length;
  return true;
}

/** The end of the word that contains `from`. Each word's end is searched once. */
function endOfWord(state: StateInline, from: number): number {
  const holder = state as StateInline & { word?: { from: number; end: number } };
  const { word } = holder;
  if (word !== undefined && word.from <= from && from <= word.end) {
    return Math.min(word.end, state.posMax);
  }
  END_OF_WORD.lastIndex = from;
  const end = END_OF_WORD.exec(state.src)?.index ?? state.src.length;
  holder.word = { from, end };
  return Math.min(end, state.posMax);
}

function pushLink(state: StateInline, address: string): void {
  const open = state.push('link_open', 'a', 1);
  open.attrs = [['href', state.md.normalizeLink(address)]];
  open.info = 'auto';
  state.push('text', '', 0).content = address;
  state.push('link_close', 'a', -1);
}

/** `www.` at the beginning of a word, in texts outside of links. */
export function wwwLinks(tokens: Token[]): Token[] {
  if (!tokens.some(token => token.type === 'text' && token.content.includes('www.'))) {
    return tokens;
  }
  const result: Token[] = [];
  let links = 0;
  for (const token of tokens) {
    links += token.type === 'link_open' ? 1 : token.type === 'link_close' ? -1 : 0;
    result.push(
      ...(token.type === 'text' && links === 0 ? wwwIn(token, isFront(result.at(-1))) : [token])
    );
  }
  return result;
}

/** Whether a word may begin behind this token. */
function isFront(before: Token | undefined): boolean {
  return before === undefined || FRONTS.has(before.type);
}

function wwwIn(token: Token, isFirst: boolean): Token[] {
  const pieces: Token[] = [];
  const make = token.constructor as new (type: string, tag: string, nesting: -1 | 0 | 1) => Token;
  const text = (content: string): void => {
    if (content !== '') {
      pieces.push(Object.assign(new make('text', '', 0), { content }));
    }
  };
  let end = 0;
  for (const match of token.content.matchAll(WWW)) {
    const [, front = '', rest = ''] = match;
    const at = match.index + front.length;
    const address = trimAddress(rest);
    if ((at === 0 && !isFirst) || at < end || !isDomain(address)) {
      continue;
    }
    text(token.content.slice(end, at));
    const open = new make('link_open', 'a', 1);
    open.attrs = [['href', encode(`http://${address}`)]];
    pieces.push(open);
    text(address);
    pieces.push(new make('link_close', 'a', -1));
    end = at + address.length;
  }
  text(token.content.slice(end));
  return pieces;
}

/** An address with escapes. Half a character, which `encodeURI` rejects, becomes U+FFFD. */
function encode(address: string): string {
  const wellFormed = address.replace(/[\ud800-\udfff]/gu, '\ufffd');
  return encodeURI(wellFormed).replace(/%25([0-9a-f]{2})/gi, '%$1');
}

/** Remove punctuation from the end of an address, by GFM's rules. */
function trimAddress(address: string): string {
  let end = address.length;
  const openCount = count(address, '(');
  let closeCount = count(address, ')');
  for (;;) {
    const last = address[end - 1];
    if (last === undefined) {
      return '';
    }
    if (/[?!.,:*_~'"]/.test(last)) {
      end -= 1;
    } else if (last === ')' && closeCount > openCount) {
      closeCount -= 1;
      end -= 1;
    } else if (last === ';' && /&[a-z0-9]+;$/i.test(address.slice(Math.max(0, end - 34), end))) {
      end -= (/&[a-z0-9]+;$/i.exec(address.slice(Math.max(0, end - 34), end))?.[0] ?? ';').length;
    } else {
      return address.slice(0, end);
    }
  }
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

/** Whether an address begins with a domain, whose last two parts have no underscore. */
function isDomain(address: string): boolean {
  const domain = DOMAIN.exec(address)?.[0];
  return domain !== undefined && !domain.split('.').slice(-2).join('.').includes('_');
}
