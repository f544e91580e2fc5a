/**
 * The nodes of an answer.
 *
 * This module makes every node, and chooses its name and attributes. Text is only ever text, so an
 * answer cannot bring HTML, classes, ids or styles of its own into the page.
 */
import { type Attributes } from '../../markdown/inline';
import { type Language } from '../../text/language';
import { type Workspace } from '../../workspace/values';
import { SUPPRESS_SHORTCUTS } from '../controls/keys';

/** What drawing takes from JupyterLab and from the page. */
export interface DrawingServices {
  /** Typesets the formula in a node, in a later frame. */
  readonly typeset: (node: HTMLElement) => void;
  /** Colours code in a later frame, and calls `onResult` with the result. */
  readonly colour: (code: string, language: string, onResult: (node: HTMLElement) => void) => void;
  /** Whether JupyterLab's sanitizer allows a link to this address. */
  readonly mayLead: (address: string) => boolean;
  readonly language: Language;
  /** The notebooks of the page; null where there can be none. */
  readonly workspace: Workspace | null;
}

/** The elements that an answer may have. The text of any other element is shown in a `span`. */
const ELEMENTS = new Set(
  (
    'a b blockquote br caption code del details em h1 h2 h3 h4 h5 h6 i ins kbd li mark ol p q s ' +
    'samp small strong sub summary sup table tbody td tfoot th thead tr u ul var wbr'
  ).split(' ')
);
const FOCUSABLE = new Set(['a', 'summary']);
/** The attributes that an answer may set, and their allowed values. */
const ATTRIBUTES: Readonly<Record<string, RegExp>> = {
  align: /^(left|center|right)$/,
  colspan: /^\d{1,4}$/,
  rowspan: /^\d{1,4}$/,
  start: /^\d{1,9}$/,
  open: /^$/,
  title: /^/
};

export function elementOf(
  tag: string,
  attributes: Attributes,
  services: DrawingServices
): HTMLElement {
  const name = ELEMENTS.has(tag) ? tag : 'span';
  const node = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (ATTRIBUTES[attribute]?.test(value) === true) {
      node.setAttribute(attribute, value);
    }
  }
  const { href, role } = attributes;
  if (node instanceof HTMLAnchorElement && href !== undefined && services.mayLead(href)) {
    node.href = href;
    node.target = '_blank';
    node.rel = 'noopener noreferrer';
  }
  if (role === 'image') {
    node.className = 'jp-ChatStream-image';
    const { trans } = services.language;
    node.title = trans.__('This image was not loaded. Click to open it.');
  }
  if (FOCUSABLE.has(name)) {
    node.setAttribute(SUPPRESS_SHORTCUTS, 'true');
  }
  if (name === 'code') {
    node.dir = 'ltr';
  }
  return node;
}

/** An element that belongs to the chat, not to an answer. */
export function ownElement(tag: 'div' | 'p' | 'section' | 'span', className: string): HTMLElement {
  const node = document.createElement(tag);
  node.className = className;
  return node;
}
