/** The inline nodes of one block. An inline that did not change keeps its node. */
import { type Inline } from '../../markdown/inline';
import { type DrawingServices, elementOf, ownElement } from './nodes';

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
      const current = this._nodes[at];
      if (current !== undefined && this._tryUpdate(current, inline)) {
        this._nodes[at] = { ...current, inline };
        return;
      }
      const newNode = this._make(inline);
      if (current === undefined) {
        this._parent.append(newNode.node);
      } else {
        current.node.replaceWith(newNode.node);
      }
      this._nodes[at] = newNode;
    });
    this._nodes.splice(inlines.length).forEach(current => current.node.remove());
  }

  /** Update a node to show `inline`. Returns whether it could. */
  private _tryUpdate(current: DrawnInline, inline: Inline): boolean {
    const before = current.inline;
    switch (inline.kind) {
      case 'text':
        if (before.kind === 'text' && current.node instanceof Text) {
          write(current.node, before.text, inline.text);
          return true;
        }
        return false;
      case 'element':
        if (before.kind !== 'element' || !isSameElement(before, inline)) {
          return false;
        }
        current.children?.show(inline.children);
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

  private readonly _nodes: DrawnInline[] = [];
}

/** The node of a formula. It shows the source until the formula is typeset. */
export function mathNode(
  source: string,
  isDisplay: boolean,
  services: DrawingServices
): HTMLElement {
  const node = ownElement('span', `jp-ChatStream-math${isDisplay ? ' jp-mod-display' : ''}`);
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
  first: Extract<Inline, { kind: 'element' }>,
  second: Extract<Inline, { kind: 'element' }>
): boolean {
  const { href, title, role } = first.attributes;
  const otherAttributes = second.attributes;
  return (
    first.tag === second.tag &&
    href === otherAttributes['href'] &&
    title === otherAttributes['title'] &&
    role === otherAttributes['role']
  );
}
