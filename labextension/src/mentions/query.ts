/**
 * What a person types behind an `@`. Pure.
 *
 * A query is the text between an `@` at the beginning of a word and the caret: `@cell:`, `@file:data/r`,
 * `@df`. White space ends it, except behind a backslash.
 */

export const KINDS = ['cell', 'output', 'variable', 'file'] as const;
export type Kind = (typeof KINDS)[number];

export interface MentionQuery {
  /** The place of the `@` in the text. */
  readonly start: number;
  /** The place of the caret. */
  readonly end: number;
  /** What is looked for; null for everything. */
  readonly kind: Kind | null;
  readonly text: string;
}

/** A longer text behind an `@` is no query. */
const MAX_QUERY_CHARS = 200;
const QUERY = /(?:^|[\s([{"'“„«,;])@((?:\\\s|[^\s@])*)$/u;

/** The query that ends at the caret; null if there is none. */
export function mentionAt(text: string, caret: number): MentionQuery | null {
  const before = text.slice(Math.max(0, caret - MAX_QUERY_CHARS), caret);
  const queryText = QUERY.exec(before)?.[1];
  if (queryText === undefined) {
    return null;
  }
  const start = caret - queryText.length - 1;
  const [, kind, rest] = /^(cell|output|variable|file):(.*)$/su.exec(queryText) ?? [];
  const query = (rest ?? queryText).replace(/\\(\s)/g, '$1');
  return { start, end: caret, kind: (kind as Kind | undefined) ?? null, text: query };
}

/** A path as it is typed in a query. */
export function escape(path: string): string {
  return path.replace(/\s/g, '\\$&');
}

/**
 * The candidates that fit a query, the best first: those that begin with it, then those that contain it.
 * Small and capital letters count as equal.
 */
export function rank<T>(
  items: readonly T[],
  query: string,
  textOf: (item: T) => string
): readonly T[] {
  const term = query.toLowerCase();
  const places = items.map(item => textOf(item).toLowerCase().indexOf(term));
  return [
    ...items.filter((_item, index) => places[index] === 0),
    ...items.filter((_item, index) => (places[index] ?? -1) > 0)
  ];
}
