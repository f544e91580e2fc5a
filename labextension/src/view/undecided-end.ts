/**
 * The undecided end of a growing text: the next characters may turn it into a mark. Pure.
 *
 * It is not shown until more text decides what it is, so that the page does not flicker.
 */

/** The head of a table without its `|---|` line, which may still be a line of text. */
const TABLE_HEAD = /(?:^|\n)\|[^\n]*(?:\n[|:\- \t]*)?$/;
/** A tag without its end. */
const TAG = /<\/?(?:[a-zA-Z][^<>\n]{0,198})?$/;
/** Marks that may open or close something. */
const MARKS = /[*_~`]{1,3}$/;
const CARRIAGE_RETURN = /\r$/;
/** Only so many characters at the end are searched. */
const SEARCHED_CHARS = 4_000;

/** The text without its undecided end. */
export function withoutUndecidedEnd(text: string): string {
  const from = Math.max(0, text.length - SEARCHED_CHARS);
  const end = text
    .slice(from)
    .replace(CARRIAGE_RETURN, '')
    .replace(TABLE_HEAD, '')
    .replace(TAG, '')
    .replace(MARKS, '');
  return text.slice(0, from) + end;
}
