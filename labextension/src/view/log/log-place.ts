/**
 * The reader's place in a log: at its end, which is followed, or at a message.
 *
 * Text above the screen that gets its true height late must not move the place. The browser's scroll
 * anchoring does most of that. A place that was opened (a search result, the place before a reload) is
 * held by this module until the reader scrolls; where the browser has no anchoring, every place is.
 * The notebook detaches and attaches cells while it scrolls; the log then returns to its place.
 */
import { type DrawnWindow } from './drawn-window';
import { type PlaceStore, type ReadingPlace } from './places';

/** A reader who scrolls down to within so many px of the end follows the end again. */
const NEAR_PX = 32;
/** The end is reached within so many px, because browsers round. */
const TOUCHING_PX = 2;
/** Messages within so many px of the screen are drawn. */
const MARGIN_PX = 1_200;
/** A place is stored once the reader has not scrolled for so long. */
const STORE_AFTER_MS = 200;
export const ROW = 'jp-ChatStream-messageRow';
export const ROWS = 'jp-ChatStream-messageRows';

export interface PlaceState {
  readonly isAway: boolean;
  /** The newest message when the reader left the end. */
  readonly lastId: string | null;
}

interface LogPlaceOptions {
  readonly outer: HTMLElement;
  readonly inner: HTMLElement;
  readonly drawnWindow: DrawnWindow;
  readonly store: PlaceStore;
  /** Whether the content is read from its top: its end is not followed. */
  readonly isStill: () => boolean;
  readonly onChange: (state: PlaceState) => void;
}

export class LogPlace {
  constructor(private readonly _options: LogPlaceOptions) {
    this._savedPlace = _options.store.load();
    const { outer, inner } = _options;
    const free = (): void => void (this._heldRow = null);
    outer.addEventListener('scroll', this._onScroll, { passive: true });
    INPUTS.forEach(type => outer.addEventListener(type, free, { passive: true }));
    window.addEventListener('pagehide', this._store);
    const observer = new ResizeObserver(() => this._onResize());
    observer.observe(inner);
    observer.observe(outer);
    this._end = () => {
      observer.disconnect();
      outer.removeEventListener('scroll', this._onScroll);
      INPUTS.forEach(type => outer.removeEventListener(type, free));
      window.removeEventListener('pagehide', this._store);
      this._store();
    };
  }

  dispose(): void {
    this._end();
  }

  /** Rows were added or removed: return to the stored place once its message is there. */
  onRowsChange(isWhole: boolean): void {
    if (this._savedPlace !== null && this._rows().length > 0) {
      const { messageId, offset, lastId } = this._savedPlace;
      if (!this.open(messageId, offset, lastId) && isWhole) {
        this._savedPlace = null; // the message is not on this branch any more
      }
    }
    this._onResize();
  }

  /** Go to the end, and follow it from now on. */
  toEnd(): void {
    const { outer } = this._options;
    this._heldRow = null;
    this._savedPlace = null;
    outer.scrollTop = outer.scrollHeight;
    this._note(true);
    this._drawNear();
  }

  /** Go to a message and stay there. Returns false if it is not in the log. */
  open(messageId: string, offset = NEAR_PX, lastId: string | null = null): boolean {
    const row = this.rowOf(messageId);
    if (row === null) {
      return false;
    }
    this._options.drawnWindow.draw([messageId]);
    this._heldRow = { row, offset };
    this._savedPlace = null;
    this._lastId = lastId ?? this._newestId();
    this._isPinned = false;
    this._keepHeld();
    this._note(false);
    this._drawNear();
    return true;
  }

  /** Scroll a part of the opened message onto the screen, and hold it there. */
  reveal(part: { readonly top: number; readonly bottom: number }): void {
    const { outer } = this._options;
    const { top, bottom, height } = outer.getBoundingClientRect();
    if (part.top < top || part.bottom > bottom) {
      outer.scrollTop += part.top - top - height / 3;
    }
    if (this._heldRow !== null) {
      const { row } = this._heldRow;
      this._heldRow = { row, offset: row.getBoundingClientRect().top - top };
    }
    this._note(false);
    this._drawNear();
  }

  rowOf(messageId: string): HTMLElement | null {
    return this._rows().find(row => row.dataset['row'] === messageId) ?? null;
  }

  private _onResize(): void {
    const { outer, isStill } = this._options;
    if (outer.clientHeight === 0) {
      this._height = 0; // the cell is detached, or the panel is hidden
      return;
    }
    if (this._isPinned && !isStill()) {
      outer.scrollTop = outer.scrollHeight;
      this._note(true);
    } else if (this._height === 0 && this._heldRow === null) {
      outer.scrollTop = this._top; // the cell was attached again
    } else {
      this._keepHeld();
    }
    this._height = outer.clientHeight;
    this._width = outer.clientWidth;
    this._drawNear();
  }

  private readonly _onScroll = (): void => {
    const { outer } = this._options;
    if (outer.clientHeight === 0 || outer.clientWidth !== this._width) {
      return; // the text wraps anew, so the reader did not scroll: the observer handles this
    }
    const toEnd_px = outer.scrollHeight - outer.scrollTop - outer.clientHeight;
    // New text moves the end away, so only scrolling up stops the following. Shrinking text scrolls
    // up too, but to the very end.
    const isUp = outer.scrollTop < this._top - 1;
    const isAtEnd = isUp ? toEnd_px <= TOUCHING_PX : this._isPinned || toEnd_px <= NEAR_PX;
    this._note(isAtEnd && this._heldRow === null);
    if (!HAS_ANCHORING && !this._isPinned && this._heldRow === null) {
      this._holdFirst();
    }
    this._drawNear();
  };

  private _note(isPinned: boolean): void {
    const { outer, onChange } = this._options;
    if (this._isPinned && !isPinned) {
      this._lastId = this._newestId();
    }
    this._isPinned = isPinned;
    this._top = outer.scrollTop;
    this._height = outer.clientHeight;
    this._width = outer.clientWidth;
    onChange({ isAway: !isPinned, lastId: isPinned ? null : this._lastId });
    clearTimeout(this._timer);
    this._timer = setTimeout(this._store, STORE_AFTER_MS);
  }

  private readonly _store = (): void => {
    clearTimeout(this._timer);
    if (this._savedPlace !== null || this._options.outer.clientHeight === 0) {
      return; // the stored place has not been opened yet, or nothing can be measured
    }
    this._options.store.save(this._isPinned ? null : this._place());
  };

  private _place(): ReadingPlace | null {
    const { outer } = this._options;
    const { top } = outer.getBoundingClientRect();
    const row = this._heldRow?.row ?? this._rowBelow(top);
    if (row === null) {
      return null;
    }
    const offset = Math.round(row.getBoundingClientRect().top - top);
    return { messageId: row.dataset['row'] ?? '', offset, lastId: this._lastId ?? '' };
  }

  private _holdFirst(): void {
    const { top } = this._options.outer.getBoundingClientRect();
    const row = this._rowBelow(top);
    this._heldRow = row && { row, offset: row.getBoundingClientRect().top - top };
  }

  /** Scroll so that the held row is where it was. */
  private _keepHeld(): void {
    const { outer } = this._options;
    if (this._heldRow?.row.isConnected === true && outer.clientHeight > 0) {
      const { row, offset } = this._heldRow;
      const shift_px = row.getBoundingClientRect().top - outer.getBoundingClientRect().top - offset;
      if (Math.abs(shift_px) >= 1) {
        outer.scrollTop += shift_px;
        this._top = outer.scrollTop;
      }
    }
  }

  /** Draw the messages near the screen. */
  private _drawNear(): void {
    const { outer, drawnWindow } = this._options;
    const { top, bottom, height } = outer.getBoundingClientRect();
    if (height === 0) {
      return;
    }
    const nearIds: string[] = [];
    let row = this._rowBelow(top - MARGIN_PX);
    while (row !== null && row.getBoundingClientRect().top <= bottom + MARGIN_PX) {
      nearIds.push(row.dataset['row'] ?? '');
      row = rowAfter(row);
    }
    drawnWindow.show(nearIds, id => usedRow(this.rowOf(id)));
  }

  /** The first row that ends below this line. Rows of far blocks are not measured. */
  private _rowBelow(line: number): HTMLElement | null {
    const block = firstBelow(this._blocks(), line);
    return block === null ? null : firstBelow(childrenOf(block), line);
  }

  private _newestId(): string | null {
    const last = this._blocks().at(-1)?.lastElementChild;
    return last instanceof HTMLElement ? (last.dataset['row'] ?? null) : null;
  }

  private _blocks(): HTMLElement[] {
    return childrenOf(this._options.inner).filter(node => node.classList.contains(ROWS));
  }

  private _rows(): HTMLElement[] {
    return this._blocks().flatMap(childrenOf);
  }

  private readonly _end: () => void;
  private _isPinned = true;
  private _heldRow: { readonly row: HTMLElement; readonly offset: number } | null = null;
  private _savedPlace: ReadingPlace | null;
  private _lastId: string | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _top = 0;
  private _height = 0;
  private _width = 0;
}

/** What a reader does to scroll. */
const INPUTS = ['wheel', 'touchmove', 'keydown', 'pointerdown'] as const;
const HAS_ANCHORING = CSS.supports('overflow-anchor', 'auto');

function childrenOf(node: HTMLElement): HTMLElement[] {
  return [...node.children].filter(child => child instanceof HTMLElement);
}

function rowAfter(row: HTMLElement): HTMLElement | null {
  const next = row.nextElementSibling ?? row.parentElement?.nextElementSibling?.firstElementChild;
  return next instanceof HTMLElement && next.dataset['row'] !== undefined ? next : null;
}

/** The first node that ends below this line; null if none does. The nodes are in their order. */
function firstBelow(rows: readonly HTMLElement[], line: number): HTMLElement | null {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.getBoundingClientRect().bottom ?? Infinity) > line) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return rows[low] ?? null;
}

/** Whether the reader has typed something in a row. */
function hasText(row: HTMLElement): boolean {
  const fields = [...row.querySelectorAll<HTMLInputElement>('textarea, input')];
  return fields.some(({ type, value }) => value !== '' && (type === 'text' || type === 'textarea'));
}

/** A row as `DrawnWindow` asks for it. */
function usedRow(row: HTMLElement | null): { height: number; isUsed: boolean } | null {
  if (row === null) {
    return null;
  }
  const selection = document.getSelection();
  const isSelected =
    selection !== null && !selection.isCollapsed && selection.containsNode(row, true);
  const isUsed =
    isSelected ||
    row.contains(document.activeElement) ||
    hasText(row) ||
    row.querySelector('details[open], [aria-expanded=true], .jp-mod-streaming, .jp-mod-marked') !==
      null;
  return { height: row.offsetHeight, isUsed };
}
