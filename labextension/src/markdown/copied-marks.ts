/** The bound on the marks of a paragraph in a harmless copy (see `copies.ts`). Pure. */
import { encode } from './copied-texts';

/**
 * The most marks of one paragraph, item or cell. JupyterLab's table of contents compares each mark
 * with all that follow: 5,000 of them take it 13 seconds.
 */
export const MAX_MARKS = 500;
const MARK = /[*_~]|<span>/g;

/** Write a text as code in which no renderer finds a mark. */
export function asCode(text: string): string {
  return `<code>${encode(text)}</code>`;
}

/** Count what a renderer compares with the rest of its paragraph: marks and our own tags. */
export function countEmphasis(markdown: string): number {
  return markdown.match(MARK)?.length ?? 0;
}
