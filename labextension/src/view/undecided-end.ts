/** What of a growing text is held back, because its next characters may turn it into a mark. Pure. */

/** The front of a table that cannot be told from a line of text yet: its head, without `|---|`. */
const TABLE_HEAD = /(?:^|\n)\|[^\n]*(?:\n[|:\- \t]*)?$/;
/** A tag without its end. */
const TAG = /<\/?(?:[a-zA-Z][^<>\n]{0,198})?$/;
/** Marks that may open or close something. */
const MARKS = /[*_~`]{1,3}$/;
const CARRIAGE_RETURN = /\r$/;
/** Only so much of the end is looked at. */
const LOOKED_AT = 4_000;

/** Leave off the end of a growing text that may not be what it seems. */
export function withoutUndecidedEnd(text: string): string {
  const from = Math.max(0, text.length - LOOKED_AT);
  const end = text
    .slice(from)
    .replace(CARRIAGE_RETURN, '')
    .replace(TABLE_HEAD, '')
    .replace(TAG, '')
    .replace(MARKS, '');
  return text.slice(0, from) + end;
}
