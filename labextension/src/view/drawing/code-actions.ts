/**
 * The bar above a code block: its language, and what can be done with the code.
 *
 * The bar has its height from the beginning, so the layout does not shift. While the block grows, the
 * code can only be copied. The cell is found when a button is used, because cells move.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { noNotebookText } from '../../text/texts';
import { type ActionResult, type CellAction, type Place } from '../../workspace/values';
import { copyText } from '../controls/clipboard';
import { plainButton } from '../controls/plain-button';
import { type DrawingServices, ownElement } from './nodes';

/** How long a button shows that it has done its work. */
const RESULT_MS = 1_500;
/** A longer name of a language is cut. */
const LONGEST_LANGUAGE = 24;

const ICONS = {
  copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
  insert_below: 'M2.5 2.5h11v4h-11zM8 9v5M5.5 11.5h5',
  insert_at_cursor:
    'M6 2.5c1.3 0 2 .5 2 1.4v8.2c0 .9-.7 1.4-2 1.4M10 2.5c-1.3 0-2 .5-2 1.4M8 12.1c0 .9.7 1.4 2 1.4M2.5 8H5M11 8h2.5',
  replace: 'M2.5 5.5h10M10 3l2.5 2.5L10 8M13.5 11h-10M6 8.5 3.5 11 6 13.5',
  run: 'M4.5 2.8v10.4L13 8z',
  done: 'M3 8.5l3.5 3.5L13 4.5'
} as const;

type BarAction = 'insert_below' | 'insert_at_cursor' | 'replace' | 'run';
const ACTIONS: readonly BarAction[] = ['insert_below', 'insert_at_cursor', 'replace', 'run'];

export class CodeBar {
  readonly node = ownElement('div', 'jp-ChatStream-codeBar');

  constructor(
    private readonly _language: string,
    private readonly _text: () => string,
    private readonly _services: DrawingServices
  ) {
    const { trans } = _services.language;
    this._tools.setAttribute('role', 'toolbar');
    this._tools.setAttribute('aria-label', trans.__('Actions for this code'));
    this._tools.addEventListener('keydown', event => this._move(event));
    const name = ownElement('span', 'jp-ChatStream-codeName');
    name.dataset['language'] = _language.slice(0, LONGEST_LANGUAGE);
    const copy = button('copy-code', 'copy', trans.__('Copy code'));
    copy.tabIndex = 0;
    copy.addEventListener('click', () => void this._copy(copy));
    this._tools.append(copy);
    this.node.append(name, this._tools);
  }

  /** The block is complete: offer the actions on cells. */
  complete(): void {
    const { workspace } = this._services;
    if (workspace === null || this._buttons.size > 0) {
      return;
    }
    for (const action of ACTIONS) {
      const element = button(action.replaceAll('_', '-'), action, this._labelOf(action));
      element.addEventListener('click', event => {
        // A browser counts the presses of a double click; a key counts 0.
        if (event.detail <= 1) {
          this._act(action, element);
        }
      });
      for (const type of ['pointerenter', 'focus']) {
        element.addEventListener(type, () => this._refresh(action, element));
      }
      this._buttons.set(action, element);
    }
    this._tools.prepend(...this._buttons.values());
    this._refreshAll();
    this._unsubscribe = workspace.subscribe(() => this._refreshAll());
  }

  dispose(): void {
    this._unsubscribe();
    this._timers.forEach(clearTimeout);
  }

  private _labelOf(action: BarAction): string {
    const { trans } = this._services.language;
    switch (action) {
      case 'insert_below':
        return trans.__('Insert below');
      case 'insert_at_cursor':
        return trans.__('Insert at cursor');
      case 'replace':
        return trans.__('Replace cell');
      case 'run':
        return trans.__('Run in a new cell');
    }
  }

  private async _copy(copy: HTMLButtonElement): Promise<void> {
    const { trans } = this._services.language;
    if (await copyText(this._text())) {
      this._showResult(copy, 'copy', trans.__('Copied'));
    } else {
      this._tell(
        trans.__('The browser refused to copy. Select the code, and copy it with the keyboard.')
      );
    }
  }

  private _act(action: CellAction, element: HTMLButtonElement): void {
    const { workspace, language } = this._services;
    const { trans } = language;
    const place = this._place(action);
    const reason = workspace?.obstacle(action, place, this._block) ?? null;
    if (workspace === null || place === null || reason !== null) {
      this._tell(reason ?? '');
      return;
    }
    this._note?.remove();
    const result = workspace.act(action, place, this._block);
    if (!result.isDone) {
      this._tell(result.reason, result, place);
    } else if (action !== 'insert_at_end') {
      const text = doneText(action, trans);
      this._showResult(element, action, text);
    }
  }

  private get _block(): { readonly language: string; readonly text: string } {
    return { language: this._language.toLowerCase(), text: this._text() };
  }

  private _place(action: CellAction): Place | null {
    return this._services.workspace?.placeOf(this.node, action) ?? null;
  }

  /** Show whether any notebook is open. The rest is found out when a button is pointed at. */
  private _refreshAll(): void {
    const { workspace, language } = this._services;
    const { trans } = language;
    const isOpen = workspace !== null && workspace.notebooks().length > 0;
    for (const [action, element] of this._buttons) {
      const label = this._labelOf(action);
      element.setAttribute('aria-disabled', String(!isOpen));
      element.title = isOpen ? label : `${label}: ${noNotebookText(trans)}`;
    }
  }

  /** Show whether the action can be done, and on which cell. */
  private _refresh(action: BarAction, element: HTMLButtonElement): void {
    const place = this._place(action);
    const { workspace } = this._services;
    if (workspace === null || element.dataset['result'] !== undefined) {
      return;
    }
    const reason = workspace.obstacle(action, place, this._block);
    element.setAttribute('aria-disabled', String(reason !== null));
    const hint = reason ?? (place === null ? '' : workspace.nameOf(place));
    element.title = `${this._labelOf(action)}: ${hint}`;
  }

  /** Say below the bar why an action was not done; where the cell is gone, offer the end. */
  private _tell(reason: string, result?: ActionResult, place?: Place): void {
    this._note?.remove();
    const note = ownElement('p', 'jp-ChatStream-note jp-ChatStream-codeNote');
    note.dataset['testid'] = 'code-note';
    const { trans } = this._services.language;
    const text = ownElement('span', '');
    text.textContent = reason;
    note.append(text);
    this._note = note;
    this.node.after(note);
    if (result?.isDone === false && result.isCellGone && place !== undefined) {
      const endText = trans.__('Insert at the end');
      const atEnd = plainButton('insert-at-end', endText, 'jp-ChatStream-button');
      atEnd.setAttribute('aria-label', `${reason} ${atEnd.textContent ?? ''}`);
      atEnd.addEventListener('click', () => this._insertAtEnd(place));
      note.append(atEnd);
      atEnd.focus({ preventScroll: true });
    }
  }

  private _insertAtEnd(place: Place): void {
    const result = this._services.workspace?.act('insert_at_end', place, this._block);
    if (result?.isDone === false) {
      this._tell(result.reason);
    } else {
      this._note?.remove();
    }
  }

  private _showResult(element: HTMLButtonElement, icon: keyof typeof ICONS, text: string): void {
    if (element.dataset['result'] !== undefined) {
      return; // its label is that of the result
    }
    const label = element.getAttribute('aria-label') ?? '';
    element.dataset['result'] = 'done';
    element.setAttribute('aria-label', text);
    element.title = text;
    drawIcon(element, 'done');
    const timer = setTimeout(() => {
      this._timers.delete(timer);
      delete element.dataset['result'];
      element.setAttribute('aria-label', label);
      element.title = label;
      drawIcon(element, icon);
    }, RESULT_MS);
    this._timers.add(timer);
  }

  /** One button of the bar is in the order of Tab; the arrow keys move among them. */
  private _move(event: KeyboardEvent): void {
    const buttons = [...this._tools.querySelectorAll('button')];
    const at = buttons.findIndex(other => other === document.activeElement);
    const isRtl = getComputedStyle(this._tools).direction === 'rtl';
    const steps = new Map([
      ['ArrowRight', at + (isRtl ? -1 : 1)],
      ['ArrowLeft', at + (isRtl ? 1 : -1)],
      ['Home', 0],
      ['End', buttons.length - 1]
    ]);
    const to = steps.get(event.key);
    const next = to === undefined ? undefined : buttons[(to + buttons.length) % buttons.length];
    if (next !== undefined) {
      event.preventDefault();
      buttons.forEach(other => (other.tabIndex = other === next ? 0 : -1));
      next.focus();
    }
  }

  private readonly _tools = ownElement('div', 'jp-ChatStream-codeTools');
  private readonly _buttons = new Map<BarAction, HTMLButtonElement>();
  private _note: HTMLElement | null = null;
  /** Of the results that are shown. */
  private readonly _timers = new Set<ReturnType<typeof setTimeout>>();
  private _unsubscribe = (): void => undefined;
}

function button(testid: string, icon: keyof typeof ICONS, label: string): HTMLButtonElement {
  const element = plainButton(testid, '', 'jp-ChatStream-codeButton');
  element.tabIndex = -1;
  element.setAttribute('aria-label', label);
  element.title = label;
  drawIcon(element, icon);
  return element;
}

function drawIcon(element: HTMLButtonElement, icon: keyof typeof ICONS): void {
  const space = 'http://www.w3.org/2000/svg';
  const picture = document.createElementNS(space, 'svg');
  picture.setAttribute('class', 'jp-ChatStream-icon');
  picture.setAttribute('viewBox', '0 0 16 16');
  picture.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(space, 'path');
  path.setAttribute('d', ICONS[icon]);
  picture.append(path);
  element.replaceChildren(picture);
}

/** What a button tells after its action. */
function doneText(action: CellAction, trans: TranslationBundle): string {
  switch (action) {
    case 'run':
      return trans.__('Running');
    case 'replace':
      return trans.__('Replaced');
    default:
      return trans.__('Inserted');
  }
}
