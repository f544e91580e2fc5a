/**
 * The undecided end of a growing text: the next characters may turn it into a mark of a block. Pure.
 *
 * It is not shown until more text decides what it is, so that the page does not flicker. What may
 * become a mark within the text of a block is the business of `markdown/open-end.ts`.
 */

const ROW = /^[ \t>]*\|/;
/** The line below a table's head, as far as it has come. */
const DELIMITERS = /^[|:\- \t>]*$/;
/**
 * The mark that a line begins with: of a rule, a heading, a list item, a fence, a tag. Marks of quotes
 * and lists may stand before it.
 */
const LINE =
  /^((?:[ \t>]|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))*)(?:(?:[-=_*]+|\+|#{1,6}|\d{1,9}[.)]?)[ \t]*|(?:`{1,2}|`{3,20}[^`]{0,40}|~{1,2}|~{3,20}[^~]{0,40})|<\/?(?:[a-zA-Z][^<>]{0,118})?)$/;
const CARRIAGE_RETURN = /\r$/;
/** Only so many characters at the end are searched. */
const SEARCHED_CHARS = 4_000;
const LONGEST_LINE = 300;

/** The text without its undecided end. */
export function withoutUndecidedEnd(text: string): string {
  const from = Math.max(0, text.length - SEARCHED_CHARS);
  const end = text.slice(from).replace(CARRIAGE_RETURN, '');
  const lines = end.split('\n');
  const body = lines.slice(0, lines.length - headLines(lines)).join('\n');
  const first = body.lastIndexOf('\n') + 1;
  const line = body.slice(first);
  const match = line.length <= LONGEST_LINE ? LINE.exec(line) : null;
  const decidedText = match === null ? body : body.slice(0, first + (match[1]?.length ?? 0));
  return text.slice(0, from) + decidedText;
}

/** The number of lines at the end that are the head of a table, or a line of text: 0, 1 or 2. */
function headLines(lines: readonly string[]): number {
  const [before = '', head = '', last = ''] = ['', '', '', ...lines].slice(-3);
  if (Math.max(head.length, last.length) > LONGEST_LINE) {
    return 0;
  }
  if (ROW.test(last)) {
    return ROW.test(head) ? (ROW.test(before) || !DELIMITERS.test(last) ? 0 : 2) : 1;
  }
  return ROW.test(head) && !ROW.test(before) && DELIMITERS.test(last) ? 2 : 0;
}
