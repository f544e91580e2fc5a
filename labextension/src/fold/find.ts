/**
 * Find in a thread: which messages hold a text, and how often. Pure.
 *
 * What counts is the text as it is drawn, so "very important" is found in `very **important**`. Only
 * messages whose source holds every word are read as Markdown: reading all of a long thread takes
 * seconds. Capital letters make no difference.
 */
import { type Inline, inlineNodes } from '../markdown/inline';
import { type DialectEnv, blocksOf, newEnv, noDefinitions } from '../markdown/parser';
import { type Block, placedBlocks } from '../markdown/tree';
import { type Message, type Part } from '../protocol/records';

/** One place of the text in a thread. */
export interface FindHit {
  readonly messageId: string;
  /** Which of the message's places it is, from 0. */
  readonly index: number;
  /** Whether the message has places in its reasoning, which is folded at first. */
  readonly isFolded: boolean;
}

interface Counts {
  readonly inFolds: number;
  readonly all: number;
}

/** The places of a text in a message, counted without overlaps. */
export function countIn(text: string, query: string): number {
  const term = query.toLowerCase();
  if (term === '') {
    return 0;
  }
  const lowerText = text.toLowerCase();
  let count = 0;
  for (let at = lowerText.indexOf(term); at >= 0; count += 1) {
    at = lowerText.indexOf(term, at + term.length);
  }
  return count;
}

/** Finds one text. Messages are immutable, so a message that was searched is not searched again. */
export class ThreadFinder {
  constructor(readonly query: string) {
    this._words = query.toLowerCase().split(/\s+/).filter(Boolean);
  }

  /** Search the messages, with a pause after each; returns all hits, in the order of the messages. */
  *search(messages: readonly Message[]): Generator<void, FindHit[]> {
    const hits: FindHit[] = [];
    for (const message of messages) {
      let counts = this._counts.get(message);
      if (counts === undefined) {
        counts = this._count(message);
        this._counts.set(message, counts);
        yield;
      }
      for (let index = 0; index < counts.all; index += 1) {
        hits.push({ messageId: message.id, index, isFolded: counts.inFolds > 0 });
      }
    }
    return hits;
  }

  private _count(message: Message): Counts {
    let inFolds = 0;
    let all = 0;
    for (const part of message.parts) {
      if (this._mayHold(sourceOf(part))) {
        const count = countIn(drawnText(message, part), this.query);
        all += count;
        inFolds += part.kind === 'reasoning' ? count : 0;
      }
    }
    return { inFolds, all };
  }

  private _mayHold(source: string): boolean {
    const lowerText = source.toLowerCase();
    return this._words.length > 0 && this._words.every(word => lowerText.includes(word));
  }

  private readonly _words: readonly string[];
  private readonly _counts = new WeakMap<Message, Counts>();
}

/** The text of a part before it is read as Markdown. */
function sourceOf(part: Part): string {
  switch (part.kind) {
    case 'text':
    case 'reasoning':
    case 'note':
      return part.text;
    case 'input_request':
      return part.prompt;
    case 'attachment':
      return part.name;
    default:
      return ''; // calls of tools and their results are folded data
  }
}

/** The text of a part as it is drawn. A person's text is drawn as it was typed. */
function drawnText(message: Message, part: Part): string {
  const isMarkdown =
    message.role === 'assistant' && (part.kind === 'text' || part.kind === 'reasoning');
  return isMarkdown ? plainText(part.text) : sourceOf(part);
}

/** Markdown's text without its marks, one line for each block. */
function plainText(markdown: string): string {
  const env = newEnv(noDefinitions(), false);
  const blocks = placedBlocks(blocksOf(markdown.replace(/\r\n?/g, '\n'), env));
  return blocks.map(({ block }) => (block === null ? '' : textOfBlock(block, env))).join('\n');
}

function textOfBlock(block: Block, env: DialectEnv): string {
  switch (block.kind) {
    case 'leaf':
      return inlineNodes(block.source, env).map(textOfInline).join('');
    case 'box':
      return block.children.map(child => textOfBlock(child, env)).join('\n');
    case 'code':
      return block.text;
    default:
      return ''; // a formula is drawn as glyphs
  }
}

function textOfInline(node: Inline): string {
  switch (node.kind) {
    case 'element':
      return node.tag === 'br' ? '\n' : node.children.map(textOfInline).join('');
    case 'math':
      return '';
    default:
      return node.text;
  }
}
