/**
 * Reads the text of a block whose end may still grow. Pure.
 *
 * A mark whose other half has not come yet would be seen as it is written, and vanish when the other
 * half comes. So emphasis, code and tags that are open are drawn as if they ended here, and what may
 * become a link, a formula or an entity is held back. Both within bounds: after so many characters,
 * the text is shown as it is written. No character is ever added: a closing mark that would be seen is
 * not used.
 */
import { type Env } from 'markdown-it';

import { type Inline, inlineNodes, lengthOf } from './inline';
import { openMarks } from './parser';
import { type Block } from './tree';

/** The most characters of a label, a formula or an open code span that are held or closed. */
const MOST_CHARS = 80;
/** The most characters of emphasis that is closed here. */
const MOST_EMPHASISED = 320;
const MARK = /[*_~]/;
/** The most characters of a link's address, none of which is seen once the link is complete. */
const MOST_ADDRESS = 2_000;
const TAIL_CHARS = 2 * MOST_ADDRESS;

/** Marks that the next character may continue. */
const MARKS = /(?:[*_~`$\\]{1,8}|(?<=^|\s)!|&[#a-zA-Z0-9]{0,31}|<\/?(?:[a-zA-Z][^<>\n]{0,118})?)$/;
const LABEL = String.raw`(?:[^\[\]\\\n]|\\.|\[[^\[\]\n]{0,80}\]){0,80}`;
const OPEN_LABEL = new RegExp(String.raw`!?\[${LABEL}$`);
const CLOSED_LABEL = new RegExp(String.raw`(?:!?\[${LABEL}\]|^\[${LABEL}\]:\s*)$`);
const REFERENCE = new RegExp(String.raw`\[${LABEL}\]\[[^\[\]\n]{0,80}$`);
const ADDRESS = new RegExp(
  String.raw`(!?)(\[${LABEL}\]\()(?:<[^<>\n]{0,${MOST_ADDRESS}}|(?:[^\s<>()]|\([^\s<>()]*\)){0,${MOST_ADDRESS}}(?:\([^\s<>()]*)?(?:\s+(?:["'(][^"'\n]{0,200}["')]?)?)?)$`
);
const TASK = /^\[[ xX]?\]?\s*$/;

/** Let the last text of a block grow, if the block's own end has not come. */
export function openEnd(block: Block, text: string): Block {
  if (block.kind === 'box') {
    const children = block.children.slice();
    // The parser fills up a row with empty cells.
    let at = children.length - 1;
    while (block.tag === 'tr' && at > 0 && isEmpty(children[at])) {
      at -= 1;
    }
    const last = children[at];
    if (last !== undefined) {
      children[at] = openEnd(last, text);
    }
    return { ...block, children };
  }
  return block.kind === 'leaf' && mayGrow(block.tag, text) ? { ...block, isOpen: true } : block;
}

function isEmpty(block: Block | undefined): boolean {
  return block?.kind === 'leaf' && block.source === '';
}

function mayGrow(tag: string, text: string): boolean {
  if (/\n[ \t>]*\n$/.test(text)) {
    return false;
  }
  const isOneLine = /^h\d$|^t[hd]$|^summary$/.test(tag);
  const isCell = tag === 'th' || tag === 'td';
  return !(isOneLine && text.endsWith('\n')) && !(isCell && /\|[ \t]*$/.test(text));
}

/** Read the text of a block that may grow. */
export function openInlineNodes(source: string, env: Env): Inline[] {
  const decidedText = withoutUndecided(source);
  const text = decidedText.trimEnd();
  const mayBeOpen = MARK.test(text.slice(-MOST_EMPHASISED));
  const closers = mayBeOpen ? openMarks(text, env, MOST_EMPHASISED) : '';
  const plainNodes = inlineNodes(closers === '' ? decidedText : text, env, MOST_CHARS);
  if (closers === '') {
    return plainNodes;
  }
  const closedNodes = inlineNodes(text + closers, env, MOST_CHARS);
  // Each closing mark and its other half are marks now; else some of them would be seen.
  return lengthOf(closedNodes) === lengthOf(plainNodes) - closers.length ? closedNodes : plainNodes;
}

/** The text without what the next characters decide; an open code span gets its closing mark. */
function withoutUndecided(source: string): string {
  const head = source.slice(0, Math.max(0, source.length - TAIL_CHARS));
  const tail = source.slice(head.length);
  const code = spansOf(tail);
  if (code.open !== null) {
    const { at, run } = code.open;
    const content = tail.slice(at + run.length).replace(/`+$/, '');
    if (content.length <= MOST_CHARS && !content.includes('\n')) {
      const isEmpty = content.trim() === '';
      return head + tail.slice(0, at) + (isEmpty ? '' : run + content + run);
    }
  }
  return head + withoutOpenEnd(tail, code.maskedText);
}

function withoutOpenEnd(tail: string, maskedTail: string): string {
  const maths = openFormula(maskedTail);
  const address = maths < 0 ? ADDRESS.exec(maskedTail) : null;
  if (address !== null && address[1] === '') {
    const label = tail.slice(address.index, address.index + (address[2]?.length ?? 0));
    return `${tail.slice(0, address.index)}${label})`; // a link that leads nowhere yet
  }
  if (TASK.test(maskedTail)) {
    return '';
  }
  const matches = [
    address,
    ...[REFERENCE, CLOSED_LABEL, OPEN_LABEL].map(pattern => pattern.exec(maskedTail))
  ];
  const places = [maths, ...matches.map(match => match?.index ?? -1)].filter(at => at >= 0);
  const end = Math.min(tail.length, ...places);
  return tail.slice(0, MARKS.exec(maskedTail.slice(0, end))?.index ?? end);
}

interface Spans {
  /** The text with other characters in the place of code, which holds no marks. */
  readonly maskedText: string;
  readonly open: { readonly at: number; readonly run: string } | null;
}

/** Find the code spans, and the first run of backticks that opens one without an end. */
function spansOf(text: string): Spans {
  let maskedText = text;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '\\') {
      at += 1;
      continue;
    }
    const run = /^`+/.exec(text.slice(at, at + 32))?.[0];
    if (run === undefined) {
      continue;
    }
    const first = at + run.length;
    const end = endOfCode(text, first, run);
    if (end < 0) {
      return { maskedText, open: { at, run } };
    }
    maskedText = maskedText.slice(0, at) + 'x'.repeat(end - at) + maskedText.slice(end);
    at = end - 1;
  }
  return { maskedText, open: null };
}

function endOfCode(text: string, first: number, run: string): number {
  for (let at = text.indexOf('`', first); at >= 0; at = text.indexOf('`', at)) {
    const length = /^`+/.exec(text.slice(at))?.[0].length ?? 1;
    if (length === run.length && at + length < text.length) {
      return at + length;
    }
    at += length;
  }
  return -1;
}

/** Where a formula begins that is open at the end and short; -1 if none is. */
function openFormula(text: string): number {
  for (let at = 0; at < text.length; at += 1) {
    const opener = text.slice(at, at + 2);
    const closer =
      opener === '$$' ? '$$' : opener === '\\(' ? '\\)' : opener === '\\[' ? '\\]' : '';
    if (closer !== '') {
      const end = text.indexOf(closer, at + 2);
      if (end < 0) {
        return isShort(text, at) ? at : -1;
      }
      at = end + 1;
    } else if (text[at] === '\\') {
      at += 1;
    } else if (text[at] === '$') {
      const end = text.indexOf('$', at + 1);
      if (end < 0 || end === text.length - 1) {
        return mayOpen(text, at) ? at : -1;
      }
      const isClosed = !/\s/.test(text[at + 1] ?? ' ') && !/\s/.test(text[end - 1] ?? ' ');
      at = isClosed && !/[0-9$]/.test(text[end + 1] ?? '') ? end : at;
    }
  }
  return -1;
}

/** Whether a dollar may open a formula: a price such as `$5` ends with its word. */
function mayOpen(text: string, at: number): boolean {
  const inner = text.slice(at + 1);
  return isShort(text, at) && !/^\s/.test(inner) && !/^\d\S*\s/.test(inner);
}

function isShort(text: string, at: number): boolean {
  const inner = text.slice(at);
  return inner.length <= MOST_CHARS && !inner.includes('\n');
}
