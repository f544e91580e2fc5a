/**
 * Markdown in the page while it grows: settled blocks are rendered once, the open one again at most
 * once per frame, an open code fence by appending its text.
 *
 * Owns the nodes it puts into its host; `dispose` stops what is under way. A block is rendered by one
 * call at a time, the newest text last, so that a slow one (first MathJax) never overtakes.
 */
import { addCopyButtons } from './code';
import { type Lane, type RenderQueue } from './queue';
import { harden } from './safe';
import { Splitter, steady } from './splitter';

/** Render Markdown, sanitised, into a node; resolves when it stands. */
export type RenderBlock = (host: HTMLElement, source: string) => Promise<void>;

export interface MarkdownTools {
  readonly render: RenderBlock;
  readonly queue: RenderQueue;
  readonly now: () => number;
  readonly onFrame: (action: () => void) => void;
}

/** Old text is rendered in pieces of about this size: few nodes, no long frame. */
const PIECE = 3_000;
/** A block whose rendering takes this long is rendered less often, at most this often. */
const SLOW_MS = 8;
const REST_FACTOR = 3;
const LONGEST_REST_MS = 400;

export class IncrementalMarkdown {
  constructor(host: HTMLElement, tools: MarkdownTools) {
    this._host = host;
    this._tools = tools;
    this._lane = tools.queue.lane();
  }

  /** Show this text; it begins with the text shown before. */
  update(text: string, isEnded: boolean): void {
    if (this._isEnded || (text === this._text && !isEnded)) {
      return;
    }
    if (this._open?.isBusy === true) {
      // Its text may be settled now: shown before it is drawn anew, it would stand there twice.
      this._later = { text, isEnded };
      return;
    }
    this._later = null;
    const isFirst = this._text === '';
    this._text = text;
    this._isEnded = isEnded;
    const { settled, open } = this._splitter.update(text, isEnded);
    for (const source of isFirst ? joined(settled) : settled) {
      this._settle(source, isFirst);
    }
    if (open.text.trim() === '') {
      this._dropOpen();
    } else if (open.kind === 'fence') {
      this._openBlock().appendCode(open.code);
    } else {
      void this._openBlock().want(steady(open.text));
    }
    if (isEnded && this._splitter.hasReferences) {
      void this._renderWhole(text);
    }
  }

  dispose(): void {
    this._isDisposed = true;
    this._lane.dispose();
    this._host.replaceChildren();
  }

  private _settle(source: string, isOld: boolean): void {
    const block = this._openBlock();
    this._open = null;
    if (isOld) {
      this._lane.add(() => block.want(source));
    } else {
      void block.want(source);
    }
  }

  /** A block has come to rest: go on with what has come meanwhile. */
  private _catchUp(): void {
    const later = this._later;
    if (later !== null) {
      this.update(later.text, later.isEnded);
    }
  }

  private _openBlock(): Block {
    if (this._open === null) {
      this._open = new Block(
        this._tools,
        () => this._isDisposed,
        () => this._catchUp()
      );
      this._host.append(this._open.node);
    }
    return this._open;
  }

  private _dropOpen(): void {
    this._open?.node.remove();
    this._open = null;
  }

  /** A reference may be defined after its use: render all once more, and swap when it stands. */
  private async _renderWhole(text: string): Promise<void> {
    const block = new Block(this._tools, () => this._isDisposed);
    const old = [...this._host.children];
    block.node.classList.add('jp-mod-measuring');
    this._host.append(block.node);
    await block.want(text);
    if (!this._isDisposed) {
      old.forEach(node => node.remove());
      block.node.classList.remove('jp-mod-measuring');
    }
  }

  private readonly _host: HTMLElement;
  private readonly _tools: MarkdownTools;
  private readonly _lane: Lane;
  private readonly _splitter = new Splitter();
  private _open: Block | null = null;
  private _text = '';
  private _later: { readonly text: string; readonly isEnded: boolean } | null = null;
  private _isEnded = false;
  private _isDisposed = false;
}

/** Put small blocks together up to a size. */
function joined(blocks: readonly string[]): readonly string[] {
  const pieces: string[] = [];
  for (const block of blocks) {
    const last = pieces.at(-1);
    if (last !== undefined && last.length + block.length <= PIECE) {
      pieces[pieces.length - 1] = last + block;
    } else {
      pieces.push(block);
    }
  }
  return pieces;
}

/** One block and the node it stands in. */
class Block {
  readonly node = document.createElement('div');

  constructor(tools: MarkdownTools, isGone: () => boolean, rested: () => void = () => undefined) {
    this._tools = tools;
    this._isGone = isGone;
    this._rested = rested;
    this.node.className = 'jp-ChatStream-block';
  }

  /** Whether it is being drawn, or rests from it. */
  get isBusy(): boolean {
    return this._isBusy;
  }

  /** Show this source, now or after what is under way; resolves when this call's part is done. */
  async want(source: string): Promise<void> {
    this._code = null;
    this._wanted = source;
    if (this._isBusy || source.trimEnd() === this._shown) {
      return;
    }
    this._isBusy = true;
    const { now, render } = this._tools;
    const begun = now();
    await render(this.node, source);
    if (this._isGone()) {
      return;
    }
    this._shown = source.trimEnd();
    this._finish();
    void this._rest(now() - begun).then(() => {
      this._isBusy = false;
      if (this._code === null) {
        void this.want(this._wanted);
      }
      if (!this._isBusy && !this._isGone()) {
        this._rested();
      }
    });
  }

  /** Show an open fence's code: only what is new is added. */
  appendCode(code: string): void {
    if (this._code === null) {
      this._code = document.createTextNode('');
      this._showCode(this._code);
    }
    const known = this._code.length;
    if (code.length > known) {
      this._code.appendData(code.slice(known));
    }
  }

  private _showCode(text: Text): void {
    const block = document.createElement('pre');
    const inner = document.createElement('code');
    inner.append(text);
    block.append(inner);
    this.node.replaceChildren(block);
    this._finish();
    this._shown = null;
  }

  private _finish(): void {
    if (this._code !== null && !this.node.contains(this._code)) {
      // What was under way when the fence opened has come too late.
      this._showCode(this._code);
      return;
    }
    addCopyButtons(this.node);
    harden(this.node);
  }

  /** Leave the page time to draw and to react: longer after a block that took long. */
  private _rest(took_ms: number): Promise<void> {
    const { onFrame, now } = this._tools;
    const until = took_ms > SLOW_MS ? now() + Math.min(LONGEST_REST_MS, took_ms * REST_FACTOR) : 0;
    return new Promise(resolve => {
      const look = (): void => onFrame(() => (now() >= until ? resolve() : look()));
      look();
    });
  }

  private readonly _tools: MarkdownTools;
  private readonly _isGone: () => boolean;
  private readonly _rested: () => void;
  private _wanted = '';
  private _shown: string | null = null;
  private _isBusy = false;
  private _code: Text | null = null;
}
