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
  /** What is mentioned, such as a cell by its path and id; without it, the name tells. */
  readonly id?: string;
  /** The notebook that it comes from, shown only if another thing has the same name. */
  readonly origin?: string;
}

/** A draft holds no more of them; the server takes 128 in a message. */
export const MAX_CONTEXT_ITEMS = 20;
/** So many characters of each text travel. */
export const MAX_CONTEXT_CHARS = 20_000;
/** The share of a cut text that comes from its beginning. */
const HEAD_SHARE = 0.6;
/** The server takes no longer names. */
const MAX_NAME_CHARS = 200;

/** Add a mention. If the same thing was mentioned before, it takes the new text; null if there are too many. */
export function withMention(
  items: readonly DraftContext[],
  mention: Mention,
  key: string
): readonly DraftContext[] | null {
  const plain = shorten(mention.name);
  const id = mention.id ?? nameId(plain);
  const isOther = items.some(other => other.id !== id && other.name === plain);
  const { origin } = mention;
  const name = isOther && origin !== undefined ? shorten(`${plain} (${origin})`) : plain;
  const item = { key, id, name, ...boundedText(mention.text) };
  if (items.some(other => other.id === id)) {
    return items.map(other => (other.id === id ? { ...item, name: other.name } : other));
  }
  return items.length < MAX_CONTEXT_ITEMS ? [...items, item] : null;
}

/** Replace the text of a mention; if it is not there any more, nothing changes. */
export function withText(
  items: readonly DraftContext[],
  key: string,
  text: string
): readonly DraftContext[] {
  return items.map(item => (item.key === key ? { ...item, ...boundedText(text) } : item));
}

/** The id of a thing of which only the name is known. */
function nameId(name: string): string {
  return `name:${name}`;
}

/** A name as long as the server takes one. */
export function shorten(name: string): string {
  return [...name.trim()].slice(0, MAX_NAME_CHARS).join('') || '…';
}

/** The first line of a source that is not blank. */
export function firstLine(source: string): string {
  const line = source.split('\n').find(text => text.trim() !== '') ?? '';
  return line.trim().slice(0, 120);
}

function boundedText(text: string): Pick<DraftContext, 'text' | 'isCut'> {
  return { text: cutMiddle(text), isCut: text.length > MAX_CONTEXT_CHARS };
}

/** The beginning and the end of a text that is too long. The line between them is for the model. */
function cutMiddle(text: string): string {
  if (text.length <= MAX_CONTEXT_CHARS) {
    return text;
  }
  const head = Math.floor(MAX_CONTEXT_CHARS * HEAD_SHARE);
  const tail = MAX_CONTEXT_CHARS - head;
  const start = withoutHalves(text.slice(0, head));
  const end = withoutHalves(text.slice(-tail));
  const omittedChars = text.length - start.length - end.length;
  return `${start}\n[… ${omittedChars} characters are left out here …]\n${end}`;
}

/** A piece of a text without the halves of letters that a cut has left. */
function withoutHalves(piece: string): string {
  return piece.replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, '');
}
