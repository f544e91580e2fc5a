/**
 * Draws a text while it grows. Each pass reads the text again from the first block that can still
 * change. Blocks that did not change keep their nodes.
 *
 * Owns the nodes in its host. Draws in the time that `Frames` gives it, one pass at a time; text that
 * arrives during a pass is drawn by the next one. The final result is the same as if the whole text
 * had been drawn at once (`docs/markdown.md`).
 */
import { type Token } from 'markdown-it';

import { labelKey } from '../../markdown/footnotes';
import { openEnd } from '../../markdown/open-end';
import {
  type Definitions,
  type DialectEnv,
  blocksOf,
  newEnv,
  noDefinitions
} from '../../markdown/parser';
import { type Block, type PlacedBlock, placedBlocks } from '../../markdown/tree';
import { Blocks } from './blocks';
import { type DrawingServices } from './nodes';
import { type Frames, type Work } from './frames';
import { AnswerGroups } from './groups';
import { PlainText } from './plain';
import { withoutUndecidedEnd } from './undecided-end';

export interface MarkdownServices extends DrawingServices {
  readonly frames: Frames;
}

/** A long text is read in pieces of at least this many characters, so that no pass takes long. */
const PIECE = 16_000;
/** After a pass with a frame this long, drawing rests for a multiple of the frame's time. */
const SLOW_MS = 14;
const REST_FACTOR = 8;
const LONGEST_REST_MS = 500;
const TAIL = 'jp-mod-tail';
/** The parser ends a table that lacks more cells than this, so its rows cannot be read apart. */
const MOST_MISSING_CELLS = 60_000;

/** The parsed text from the first block that can still change. */
interface Region {
  readonly blocks: readonly PlacedBlock[];
  readonly tokens: readonly Token[];
  readonly env: DialectEnv;
  readonly raw: string;
  /** `raw` with line feeds only. */
  readonly lines: string;
}

/** The growing table with finished rows. Its first two lines are read with the rows that can change. */
interface FinishedRows {
  /** Where the table begins in the text. */
  readonly begin: number;
  readonly head: string;
  readonly count: number;
  /** How many cells the finished rows have too few. */
  readonly missing: number;
}

const NO_ROWS: FinishedRows = { begin: 0, head: '', count: 0, missing: 0 };

export class IncrementalMarkdown {
  constructor(
    private readonly _host: HTMLElement,
    private readonly _services: MarkdownServices
  ) {
    this._groups = new AnswerGroups(_host);
    this._blocks = new Blocks(_host, _services, this._groups);
  }

  /** Show this text, which begins with the text shown before. */
  update(text: string, isEnded: boolean): void {
    this._text = text;
    if (isEnded) {
      this._isEnded = true;
      this._endRest();
    }
    if (!this._isDrawing) {
      void this._draw();
    }
  }

  dispose(): void {
    this._isDisposed = true;
    this._blocks.dispose();
    this._host.replaceChildren();
  }

  private get _isBehind(): boolean {
    const isUnfinished = this._isEnded && !this._isFinished;
    return !this._isDisposed && (this._drawnTo < this._text.length || isUnfinished);
  }

  private async _draw(): Promise<void> {
    this._isDrawing = true;
    try {
      await this._drawAll();
    } catch (reason) {
      console.error('The page could not draw an answer:', reason);
      if (this._plain === null && !this._isDisposed) {
        this._showAsPlain();
        await this._drawAll();
      }
    } finally {
      this._isDrawing = false;
    }
  }

  private async _drawAll(): Promise<void> {
    const { frames } = this._services;
    while (this._isBehind) {
      const cost_ms = await frames.run(this._plain === null ? this._pass() : this._plainPass());
      // Text that is there already is drawn without a rest; growing text leaves time for the page.
      if (cost_ms > SLOW_MS && this._drawnTo === this._text.length && !this._isFinished) {
        const rest = frames.rest(Math.min(LONGEST_REST_MS, cost_ms * REST_FACTOR));
        await Promise.race([rest, new Promise<void>(resolve => (this._endRest = resolve))]);
      }
    }
  }

  /** Show the text as plain text, because drawing it has failed. */
  private _showAsPlain(): void {
    this._unmark();
    this._tail = null;
    this._blocks.dispose();
    this._host.replaceChildren();
    const { trans } = this._services.language;
    const note = trans.__('Shown as plain text, because the page failed to draw this answer.');
    this._plain = new PlainText(this._host, note);
    this._drawnTo = 0;
    this._isFinished = false;
  }

  private *_plainPass(): Work {
    const text = this._text;
    const isWhole = this._isEnded;
    yield* this._plain?.show(text) ?? [];
    this._drawnTo = text.length;
    this._isFinished = isWhole;
  }

  /** Read and draw one more piece, from the first block that can still change. */
  private *_pass(): Work {
    const piece = Math.max(PIECE, this._drawnTo - this._begin);
    const to = Math.min(this._text.length, this._drawnTo + piece);
    const isWhole = this._isEnded && to === this._text.length;
    const growing = this._text.slice(this._begin, to);
    const { head, count } = this._rows;
    const raw = head + growing;
    const lines = withLineFeeds(raw);
    const decidedText = isWhole ? lines : withoutUndecidedEnd(lines);
    // A table that has finished rows is never read without a row.
    const isRowless = head !== '' && decidedText.length <= withLineFeeds(head).length;
    const region = isRowless ? lines : decidedText;
    const env = newEnv(this._definitions, !isWhole);
    const tokens = blocksOf(region, env);
    const blocks = placedBlocks(tokens);
    const open = blocks.at(-1);
    if (!isWhole && open?.block != null) {
      blocks[blocks.length - 1] = { ...open, block: openEnd(open.block, region) };
    }
    yield;
    const visible = blocks.filter(({ block }) => block !== null && block.kind !== 'undecided');
    yield* this._blocks.patch(
      visible.flatMap(({ block }, at) => (at === 0 ? behindRows(block, count) : block) ?? []),
      env,
      this._finishedBlocks
    );
    if (this._isDisposed) {
      return;
    }
    this._drawnTo = to;
    if (isWhole) {
      this._define(tokens, env);
      this._finish(visible.length);
      this._isFinished = true;
      yield* this._readAgain();
    } else {
      this._finishBefore({ blocks, tokens, env, raw, lines });
    }
    this._markTail();
  }

  /** Finish the blocks before the last one, if the first line of the last one is complete. */
  private _finishBefore({ blocks, tokens, env, raw, lines }: Region): void {
    const end = blocks.at(-1);
    if (end === undefined || lines.indexOf('\n', offsetOf(lines, end.line)) < 0) {
      return;
    }
    // An open formula or table may still turn out to be text of the block before it.
    const token = tokens[end.token];
    const isOpenMaths = token?.type === 'math_block' && token.info === 'open';
    const openCount = isOpenMaths || end.block?.kind === 'undecided' ? 2 : 1;
    const before = blocks.slice(0, -openCount);
    const first = blocks.at(-openCount);
    if (first === undefined || before.length === 0) {
      this._finishRows(blocks, tokens, raw, lines);
      return;
    }
    this._define(tokens.slice(0, first.token), env);
    this._finish(before.filter(({ block }) => block !== null && block.kind !== 'undecided').length);
    this._begin += lineOffset(raw, first.line) - this._rows.head.length;
    this._rows = NO_ROWS;
  }

  /** In a growing table, finish all rows but the last: only the last can still change. */
  private _finishRows(
    blocks: readonly PlacedBlock[],
    tokens: readonly Token[],
    raw: string,
    lines: string
  ): void {
    const [table] = blocks;
    if (blocks.length !== 1 || table === undefined || tokens[table.token]?.type !== 'table_open') {
      return;
    }
    const rows = tokens.flatMap(({ type, map }) => (type === 'tr_open' && map ? [map[0]] : []));
    const { begin, head, count } = this._rows;
    const finishedRows = rows.slice(1, -1); // without the head and the last one
    if (finishedRows.length === 0) {
      return;
    }
    const columns = tokens.filter(({ type }) => type === 'th_open').length;
    const texts = lines.split('\n');
    const missing = finishedRows.reduce(
      (sum, row) => sum + Math.max(0, columns - cellCount(texts[row] ?? '')),
      this._rows.missing
    );
    const tableBegin = count === 0 ? this._begin : begin;
    if (missing > MOST_MISSING_CELLS) {
      this._begin = tableBegin;
      this._rows = NO_ROWS;
    } else {
      this._rows = {
        begin: tableBegin,
        head: raw.slice(lineOffset(raw, table.line), lineOffset(raw, table.line + 2)),
        count: count + finishedRows.length,
        missing
      };
      this._begin += lineOffset(raw, rows.at(-1) ?? 0) - head.length;
    }
  }

  /** Mark the element with the end of the text: the style shows the cursor there. */
  private _markTail(): void {
    const tail = this._isFinished ? null : this._blocks.tail();
    if (tail !== this._tail) {
      this._unmark();
      tail?.classList.add(TAIL);
      this._tail = tail;
    }
  }

  private _unmark(): void {
    this._tail?.classList.remove(TAIL);
    if (this._tail?.className === '') {
      this._tail.removeAttribute('class');
    }
  }

  private _finish(count: number): void {
    this._blocks.finish(this._finishedBlocks, this._finishedBlocks + count);
    this._finishedBlocks += count;
    this._groups.skipLayout(this._finishedBlocks);
  }

  /** Keep the definitions of finished blocks. The first definition of a label counts. */
  private _define(tokens: readonly Token[], env: DialectEnv): void {
    for (const token of tokens) {
      const label = token.meta?.['label'];
      if (token.type === 'reference_definition' && typeof label === 'string') {
        const reference = env.references[label];
        if (reference !== undefined) {
          this._definitions.references[label] ??= reference;
          this._hasDefinitions = true;
        }
      } else if (token.type === 'footnote_open') {
        this._definitions.footnotes[labelKey(token.info)] = true;
        this._hasDefinitions = true;
      }
    }
  }

  /** Read the blocks again that may use a label from before its definition. */
  private *_readAgain(): Work {
    if (this._hasDefinitions) {
      yield* this._blocks.readAgain(newEnv(this._definitions, false));
    }
  }

  private readonly _groups: AnswerGroups;
  private readonly _blocks: Blocks;
  private readonly _definitions: Definitions = noDefinitions();
  private _tail: HTMLElement | null = null;
  /** Set once drawing has failed. */
  private _plain: PlainText | null = null;
  private _hasDefinitions = false;
  /** Where the first block that can still change begins in the text. */
  private _begin = 0;
  private _rows = NO_ROWS;
  /** How many blocks cannot change any more. */
  private _finishedBlocks = 0;
  private _text = '';
  private _drawnTo = 0;
  private _isEnded = false;
  /** Ends the present rest, so that the end of the text is drawn at once. */
  private _endRest = (): void => undefined;
  private _isFinished = false;
  private _isDrawing = false;
  private _isDisposed = false;
}

/** A table's block that was read without its first rows. */
function behindRows(block: Block | null, rows: number): Block | null {
  if (rows === 0 || block?.kind !== 'box') {
    return block;
  }
  const children = block.children.map(child =>
    child.kind === 'box' && child.tag === 'tbody' ? { ...child, from: rows } : child
  );
  return { ...block, children, from: 0 };
}

function withLineFeeds(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

/** Where a line begins in a text with line ends of any kind. */
function lineOffset(raw: string, line: number): number {
  return offsetOf(raw.replace(/\r\n/g, ' \n').replace(/\r/g, '\n'), line);
}

/** Where a line begins. */
function offsetOf(text: string, line: number): number {
  let at = 0;
  for (let count = 0; count < line; count += 1) {
    at = text.indexOf('\n', at) + 1;
    if (at === 0) {
      return text.length;
    }
  }
  return at;
}

/** How many cells the parser reads in a table's row. */
function cellCount(row: string): number {
  const cells = row.trim().split(/(?<!\\)\|/);
  const isOpen = cells.length > 1 && cells.at(-1) === '';
  return cells.length - Number(cells[0] === '') - Number(isOpen);
}
