/**
 * The context of a message that is being written: texts that a model reads before it. Pure.
 *
 * A text is what the named thing was when it was mentioned. It is bounded: a longer one loses its
 * middle, and a line in it tells so.
 */
import { type DraftContext } from './drafts';

/** What somebody mentions: a name for people and the model, and the text. */
export interface Mention {
  readonly name: string;
  readonly text: string;
}

/** A draft holds no more of them; the server takes 128 in a message. */
export const MAX_CONTEXT_ITEMS = 20;
/** So many characters of each text travel. */
export const MAX_CONTEXT_CHARS = 20_000;
/** The share of a cut text that comes from its beginning. */
const HEAD_SHARE = 0.6;
/** The server takes no longer names. */
const MAX_NAME_CHARS = 200;

/** Add a mention. One of the same name takes the new text; null if there are too many. */
export function withMention(
  items: readonly DraftContext[],
  { name, text }: Mention,
  key: string
): readonly DraftContext[] | null {
  const shown = [...name.trim()].slice(0, MAX_NAME_CHARS).join('') || '…';
  const item = { key, name: shown, text: bounded(text), isCut: text.length > MAX_CONTEXT_CHARS };
  if (items.some(other => other.name === shown)) {
    return items.map(other => (other.name === shown ? item : other));
  }
  return items.length < MAX_CONTEXT_ITEMS ? [...items, item] : null;
}

/** The beginning and the end of a text that is too long. The line between them is for the model. */
function bounded(text: string): string {
  if (text.length <= MAX_CONTEXT_CHARS) {
    return text;
  }
  const head = Math.floor(MAX_CONTEXT_CHARS * HEAD_SHARE);
  const tail = MAX_CONTEXT_CHARS - head;
  const start = whole(text.slice(0, head));
  const end = whole(text.slice(-tail));
  const left = text.length - start.length - end.length;
  return `${start}\n[… ${left} characters are left out here …]\n${end}`;
}

/** A piece of a text without the halves of letters that a cut has left. */
function whole(piece: string): string {
  return piece.replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, '');
}
