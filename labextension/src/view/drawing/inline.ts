/** The inline nodes of one block. An inline that did not change keeps its node. */
import { type Inline } from '../../markdown/inline';
import { type DrawingServices, elementOf, own } from './nodes';

interface DrawnInline {
  readonly inline: Inline;
  readonly node: HTMLElement | Text;
  readonly children: InlineNodes | null;
}

/** Draws a list of inlines at the end of a parent node. */
export class InlineNodes {
  constructor(
    private readonly _parent: HTMLElement,
    private readonly _services: DrawingServices
  ) {}

  show(inlines: readonly Inline[]): void {
    inlines.forEach((inline, at) => {
      const drawn = this._drawn[at];
      if (drawn !== undefined && this._fits(drawn, inline)) {
        this._drawn[at] = { ...drawn, inline };
        return;
      }
      const fresh = this._make(inline);
      if (drawn === undefined) {
        this._parent.append(fresh.node);
      } else {
        drawn.node.replaceWith(fresh.node);
      }
      this._drawn[at] = fresh;
    });
    this._drawn.splice(inlines.length).forEach(drawn => drawn.node.remove());
  }

  /** Update a node to show `inline`. Returns whether it could. */
  private _fits(drawn: DrawnInline, inline: Inline): boolean {
    const before = drawn.inline;
    switch (inline.kind) {
      case 'text':
        if (before.kind === 'text' && drawn.node instanceof Text) {
          write(drawn.node, before.text, inline.text);
          return true;
        }
        return false;
      case 'element':
        if (before.kind !== 'element' || !isSameElement(before, inline)) {
          return false;
        }
        drawn.children?.show(inline.children);
        return true;
      case 'code':
        return before.kind === 'code' && before.text === inline.text;
      case 'math':
        return before.kind === 'math' && before.source === inline.source;
      case 'image':
        return (
          before.kind === 'image' &&
          before.address === inline.address &&
          before.text === inline.text
        );
    }
  }

  private _make(inline: Inline): DrawnInline {
    switch (inline.kind) {
      case 'text':
        return { inline, node: document.createTextNode(inline.text), children: null };
      case 'code': {
        const node = elementOf('code', {}, this._services);
        node.textContent = inline.text;
        return { inline, node, children: null };
      }
      case 'math':
        return {
          inline,
          node: mathNode(inline.source, inline.isDisplay, this._services),
          children: null
        };
      case 'image': {
        const node = document.createElement('img');
        node.src = inline.address;
        node.alt = inline.text;
        return { inline, node, children: null };
      }
      case 'element': {
        const node = elementOf(inline.tag, inline.attributes, this._services);
        const children = new InlineNodes(node, this._services);
        children.show(inline.children);
        return { inline, node, children };
      }
    }
  }

  private readonly _drawn: DrawnInline[] = [];
}

/** The node of a formula. It shows the source until the formula is typeset. */
export function mathNode(
  source: string,
  isDisplay: boolean,
  services: DrawingServices
): HTMLElement {
  const node = own('span', `jp-ChatStream-math${isDisplay ? ' jp-mod-display' : ''}`);
  node.dir = 'ltr';
  node.textContent = source;
  services.typeset(node);
  return node;
}

/** Set a text node to `after`; if `after` only adds to `before`, only the addition is written. */
export function write(node: Text, before: string, after: string): void {
  if (after === before) {
    return;
  }
  if (after.startsWith(before)) {
    node.appendData(after.slice(before.length));
  } else {
    node.data = after;
  }
}

function isSameElement(
  one: Extract<Inline, { kind: 'element' }>,
  other: Extract<Inline, { kind: 'element' }>
): boolean {
  const { href, title, role } = one.attributes;
  const its = other.attributes;
  return (
    one.tag === other.tag && href === its['href'] && title === its['title'] && role === its['role']
  );
}
