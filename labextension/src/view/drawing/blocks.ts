/**
 * Blocks and their nodes.
 *
 * A block that is drawn again keeps its node if its kind is the same. Of a list, a quote or a table,
 * only the changed blocks are drawn.
 */
import { type Env } from 'markdown-it';

import { type Attributes, inlineNodes } from '../../markdown/inline';
import { openInlineNodes } from '../../markdown/open-end';
import { type Block, type Box, type Leaf } from '../../markdown/tree';
import { CodeView } from './code';
import { directionOf } from './direction';
import { type DrawingServices, elementOf, ownElement } from './nodes';
import { type Work } from './frames';
import { type Groups, RowGroups } from './groups';
import { InlineNodes, mathNode } from './inline';
import { PILED_MARKS, PlainText } from './plain';
import { TableFrame } from './table';

/** The browser needs too long to lay out a longer block, so it is shown as plain text. */
const LONGEST_TEXT = 20_000;
const MOST_MARKS = 3_000;
const MARK = /[`*_~[\]<&$\\]/g;
/** These take their direction from the table. */
const PARTS_OF_TABLES = new Set(['thead', 'tbody', 'tfoot', 'tr']);

interface BlockView {
  readonly node: HTMLElement;
  /** Whether this view can show the block. */
  fits(block: Block): boolean;
  show(block: Block, env: Env): Work;
  /** Called once the block cannot change any more. */
  finish(): void;
  /** Read the block again, because links or footnotes may be defined now that were not before. */
  readAgain(env: Env): Work;
  /** The element that holds the end of the text. */
  tail(): HTMLElement;
  dispose(): void;
}

/** The blocks in one parent. Only the blocks of a whole answer and the rows of a table are grouped. */
export class Blocks {
  constructor(
    private readonly _parent: HTMLElement,
    private readonly _services: DrawingServices,
    private readonly _groups: Groups | null = null
  ) {}

  /** Show these blocks after the first `from` ones. */
  *patch(blocks: readonly Block[], env: Env, from = 0): Work {
    for (const [index, block] of blocks.entries()) {
      if (this._isDisposed) {
        return;
      }
      const at = from + index;
      let view = this._views[at];
      if (view === undefined || !view.fits(block)) {
        const newView = viewOf(block, this._services);
        if (view === undefined) {
          (this._groups?.parentOf(at) ?? this._parent).append(newView.node);
        } else {
          view.node.replaceWith(newView.node);
          view.dispose();
        }
        view = newView;
        this._views[at] = view;
      }
      yield* view.show(block, env);
      yield;
    }
    this._views.splice(from + blocks.length).forEach(view => {
      view.node.remove();
      view.dispose();
    });
    this._groups?.cut(this._views.length);
  }

  finish(from = 0, to = this._views.length): void {
    this._views.slice(from, to).forEach(view => view.finish());
  }

  *readAgain(env: Env): Work {
    for (const view of this._views) {
      yield* view.readAgain(env);
    }
  }

  tail(): HTMLElement | null {
    return this._views.at(-1)?.tail() ?? null;
  }

  dispose(): void {
    this._isDisposed = true;
    this._views.splice(0).forEach(view => view.dispose());
  }

  private readonly _views: BlockView[] = [];
  private _isDisposed = false;
}

function viewOf(block: Block, services: DrawingServices): BlockView {
  switch (block.kind) {
    case 'leaf':
      return isTooLong(block.source) ? new LongView(services) : new LeafView(block, services);
    case 'box':
      return new BoxView(block, services);
    case 'code':
      return new CodeView(block.language, services);
    case 'math':
      return isTooLong(block.source)
        ? new LongView(services)
        : new MathView(block.source, services);
    case 'rule':
    case 'undecided':
      return new RuleView();
  }
}

/** A view with nothing to finish, read again or dispose of. */
abstract class SimpleView implements BlockView {
  abstract readonly node: HTMLElement;
  abstract fits(block: Block): boolean;
  *show(_block: Block, _env: Env): Work {}
  finish(): void {}
  *readAgain(_env: Env): Work {}
  tail(): HTMLElement {
    return this.node;
  }
  dispose(): void {}
}

class LeafView extends SimpleView {
  readonly node: HTMLElement;

  constructor(leaf: Leaf, services: DrawingServices) {
    super();
    const { task } = leaf.attributes;
    this._tag = leaf.tag;
    this._attributes = leaf.attributes;
    this.node = elementOf(leaf.tag === 'tight' ? 'p' : leaf.tag, leaf.attributes, services);
    this.node.dir = 'auto';
    if (leaf.tag === 'tight') {
      this.node.className = 'jp-mod-tight';
    }
    if (task !== undefined) {
      const box = document.createElement('input');
      box.type = 'checkbox';
      box.disabled = true;
      box.checked = task === 'done';
      const { trans } = services.language;
      box.setAttribute('aria-label', task === 'done' ? trans.__('Done') : trans.__('Not done'));
      this.node.append(box);
    }
    this._inline = new InlineNodes(this.node, services);
  }

  override fits(block: Block): boolean {
    return (
      block.kind === 'leaf' &&
      block.tag === this._tag &&
      !isTooLong(block.source) &&
      isSame(block.attributes, this._attributes)
    );
  }

  override *show(block: Block, env: Env): Work {
    const isOpen = block.kind === 'leaf' && block.isOpen === true;
    if (block.kind !== 'leaf' || (block.source === this._source && isOpen === this._isOpen)) {
      return;
    }
    this._source = block.source;
    this._isOpen = isOpen;
    const read = isOpen ? openInlineNodes : inlineNodes;
    this._inline.show(read(block.source, env));
    yield;
  }

  override *readAgain(env: Env): Work {
    if (this._source?.includes('[') === true) {
      this._inline.show(inlineNodes(this._source, env));
      yield;
    }
  }

  private readonly _tag: string;
  private readonly _attributes: Attributes;
  private readonly _inline: InlineNodes;
  private _source: string | null = null;
  private _isOpen = false;
}

/** A text that is too long to be drawn as Markdown. */
class LongView extends SimpleView {
  readonly node = ownElement('div', 'jp-ChatStream-long');

  constructor(services: DrawingServices) {
    super();
    const { trans } = services.language;
    const note = trans.__(
      'Shown as plain text, because this paragraph has more than 20,000 characters, more than 3,000 marks such as * or [, or 60 combining marks in a row.'
    );
    this._plain = new PlainText(this.node, note);
  }

  override fits(block: Block): boolean {
    return (block.kind === 'leaf' || block.kind === 'math') && isTooLong(block.source);
  }

  override *show(block: Block): Work {
    if (block.kind === 'leaf' || block.kind === 'math') {
      yield* this._plain.show(block.source);
    }
  }

  override tail(): HTMLElement {
    return this._plain.tail();
  }

  private readonly _plain: PlainText;
}

class BoxView extends SimpleView {
  readonly node: HTMLElement;

  constructor(box: Box, services: DrawingServices) {
    super();
    this._tag = box.tag;
    this._label = box.attributes['label'];
    const { outer, inner } = boxNodes(box, services);
    this._frame =
      inner instanceof HTMLTableElement ? new TableFrame(inner, services.language.trans) : null;
    this.node = this._frame?.node ?? outer;
    this._inner = inner;
    const groups = box.hasSimpleRows === true ? new RowGroups(inner) : null;
    this._blocks = new Blocks(inner, services, groups);
  }

  override fits(block: Block): boolean {
    return (
      block.kind === 'box' && block.tag === this._tag && block.attributes['label'] === this._label
    );
  }

  override *show(block: Block, env: Env): Work {
    if (block.kind !== 'box') {
      return;
    }
    const direction = PARTS_OF_TABLES.has(this._tag) ? '' : directionOf(block);
    if (block.from === undefined && this._inner.dir !== direction) {
      this._inner.dir = direction;
    }
    const { start } = block.attributes;
    const [first] = block.children;
    const isTask = first?.kind === 'leaf' && first.attributes['task'] !== undefined;
    if (this._tag === 'li' && isTask) {
      this._inner.className = 'jp-mod-task';
    }
    if (start !== undefined && this._inner instanceof HTMLOListElement) {
      this._inner.start = Number(start);
    }
    yield* this._blocks.patch(block.children, env, block.from);
  }

  override finish(): void {
    this._blocks.finish();
  }

  override readAgain(env: Env): Work {
    return this._blocks.readAgain(env);
  }

  override tail(): HTMLElement {
    return this._blocks.tail() ?? this._inner;
  }

  override dispose(): void {
    this._frame?.dispose();
    this._blocks.dispose();
  }

  private readonly _frame: TableFrame | null;
  private readonly _tag: string;
  private readonly _label: string | undefined;
  private readonly _inner: HTMLElement;
  private readonly _blocks: Blocks;
}

/** Whether a text would freeze the page: it is too long, or has too many marks or combining marks. */
function isTooLong(source: string): boolean {
  return (
    source.length > LONGEST_TEXT ||
    (source.length > MOST_MARKS && (source.match(MARK)?.length ?? 0) > MOST_MARKS) ||
    PILED_MARKS.test(source)
  );
}

function isSame(first: Attributes, second: Attributes): boolean {
  const names = Object.keys(first);
  return (
    names.length === Object.keys(second).length && names.every(name => first[name] === second[name])
  );
}

/** The node of a box, and the node in it that holds the blocks. */
function boxNodes(box: Box, services: DrawingServices): { outer: HTMLElement; inner: HTMLElement } {
  if (box.tag === 'footnote') {
    const outer = ownElement('section', 'jp-ChatStream-footnote');
    const label = document.createElement('sup');
    label.textContent = box.attributes['label'] ?? '';
    const inner = ownElement('div', 'jp-ChatStream-footnoteText');
    outer.append(label, inner);
    return { outer, inner };
  }
  const inner =
    box.tag === 'details' ? foldNode(box) : elementOf(box.tag, box.attributes, services);
  return { outer: inner, inner };
}

function foldNode(box: Box): HTMLElement {
  const fold = document.createElement('details');
  fold.className = 'jp-ChatStream-fold';
  fold.open = box.attributes['open'] !== undefined;
  return fold;
}

class MathView extends SimpleView {
  readonly node = ownElement('div', 'jp-ChatStream-mathBlock');

  constructor(
    private _source: string,
    private readonly _services: DrawingServices
  ) {
    super();
  }

  override fits(block: Block): boolean {
    return block.kind === 'math' && !isTooLong(block.source);
  }

  override *show(block: Block): Work {
    if (block.kind === 'math' && (block.source !== this._source || !this._isShown)) {
      this._isShown = true;
      this._source = block.source;
      // A formula is typeset once it is complete; until then its source is shown.
      const text = ownElement('span', 'jp-ChatStream-math jp-mod-display jp-mod-growing');
      text.dir = 'ltr';
      text.textContent = block.source;
      this.node.replaceChildren(text);
      yield;
    }
  }

  override finish(): void {
    this.node.replaceChildren(mathNode(this._source, true, this._services));
  }

  private _isShown = false;
}

class RuleView extends SimpleView {
  readonly node = document.createElement('hr');

  override fits(block: Block): boolean {
    return block.kind === 'rule';
  }
}
