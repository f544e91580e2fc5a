/**
 * What the page knows of a file before the server has it, and how it writes names and sizes. Pure.
 *
 * A file's name and its browser's type are untrusted. The server alone decides what a file is.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Model } from '../protocol/records';
import { fileText } from '../text/texts';

/** The types that the page draws as images. An SVG may hold scripts, so it is not one of them. */
const IMAGES: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
const PDF = 'application/pdf';
const PARQUET = 'application/vnd.apache.parquet';
const TABLES: ReadonlySet<string> = new Set(['text/csv', PARQUET]);
/**
 * Types of texts. Browsers do not know some of these endings, and name others after a program that
 * opens them (a CSV is `application/vnd.ms-excel`, where that is installed).
 */
const TEXT_BY_ENDING: ReadonlyMap<string, string> = new Map([
  ['csv', 'text/csv'],
  ['ipynb', 'application/x-ipynb+json'],
  ['json', 'application/json'],
  ['jsonl', 'application/x-ndjson'],
  ['md', 'text/markdown'],
  ['ndjson', 'application/x-ndjson'],
  ['py', 'text/x-python'],
  ['toml', 'application/toml'],
  ['tsv', 'text/tab-separated-values'],
  ['yaml', 'application/yaml'],
  ['yml', 'application/yaml']
]);
/** For a file of this type, the server decides by its first bytes and its name. */
const UNKNOWN = 'application/octet-stream';

/** Controls that change the direction of the text around them, and characters without any width. */
const HIDING =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
/** Characters of a name that the page looks at; the server keeps 200 of them at most. */
const LONGEST_NAME = 300;
/** A name of so many characters is not cut in two. */
const SHORT_NAME = 16;

/** A file's name for people: it hides nothing, and cannot turn the text around it. */
export function shownName(name: string): string {
  const visible = name
    .slice(0, LONGEST_NAME)
    .replace(HIDING, '\ufffd')
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
    .trim();
  return visible === '' ? '…' : visible;
}

/** The name under which a browser keeps a downloaded file: no path, and not hidden. */
export function fileName(name: string): string {
  const visible = shownName(name).replace(/[/\\:*?"<>|]/g, '_');
  return visible.startsWith('.') ? `_${visible}` : visible;
}

/** A name in two: a narrow place cuts the first half and keeps the ending, which tells the type. */
export function nameEnds(name: string): { readonly start: string; readonly end: string } {
  const ending = name.length > SHORT_NAME ? /^(.+?)(.{0,4}\.[^.\s]{1,8})$/su.exec(name) : null;
  return { start: ending?.[1] ?? name, end: ending?.[2] ?? '' };
}

/** A number of bytes for people; a MB has 1024 kB, as in the settings of the server and in Python. */
export function sizeText(bytes: number, locale: string, digits = 1): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  let power = 0;
  let value = bytes;
  while (value >= 1_023.5 && power < units.length - 1) {
    value /= 1_024;
    power += 1;
  }
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: units[power],
    unitDisplay: power === 0 ? 'long' : 'short',
    maximumFractionDigits: power === 0 ? 0 : value >= 100 ? digits - 1 : digits
  }).format(value);
}

/** The type to name to the server: one that the page is sure of, or UNKNOWN. */
export function typeOf(name: string, browsersType: string): string {
  const ending = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  const mimeType = (browsersType.split(';')[0] ?? '').trim().toLowerCase();
  const isSure = isImage(mimeType) || mimeType === PDF || /^text\/[\w.+-]+$/.test(mimeType);
  return TEXT_BY_ENDING.get(ending) ?? (isSure ? mimeType : UNKNOWN);
}

export function isImage(type: string | undefined): boolean {
  return IMAGES.has(type ?? '');
}

export function isTable(type: string | undefined): boolean {
  return TABLES.has(type ?? '');
}

/** One word for a type, as it stands on a chip. */
export function kindText(type: string | undefined, trans: TranslationBundle): string {
  if (isImage(type)) {
    return trans.__('image');
  }
  if (isTable(type)) {
    return trans.__('table');
  }
  return type === PDF ? 'PDF' : fileText(trans);
}

/** Why the model will not read a file of this type; null if it will, or if that is not known. */
export function unreadText(
  type: string,
  model: Model | undefined,
  trans: TranslationBundle
): string | null {
  if (model === undefined) {
    return null;
  }
  if (isImage(type) && !model.can.includes('images')) {
    return trans.__('%1 cannot read images: it gets only the name.', model.label);
  }
  if (type === PDF && !model.can.includes('documents')) {
    return trans.__('%1 cannot read PDFs: it gets only the name.', model.label);
  }
  return type === PARQUET
    ? trans.__('Models cannot read Parquet files: they get only the name.')
    : null;
}
