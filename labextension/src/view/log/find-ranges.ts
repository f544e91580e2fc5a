/** The places of a text in a drawn message, and how they are marked. */
import { type Frames } from '../drawing/frames';

/** What a person reads of a message, without the chat's own buttons and notes. */
const CONTENT = '[data-testid=content], .jp-ChatStream-remark';
const NOT_SEARCHED = 'button, .jp-ChatStream-note, mjx-container, [hidden]';
const BLOCKS = 'p, li, h1, h2, h3, h4, h5, h6, td, th, pre, summary, blockquote, div';
const ALL = 'jp-chat-find';
const CURRENT = 'jp-chat-find-current';
/** The browser lays out each mark: a letter may be in a long answer 100,000 times. */
const MARKED_AROUND = 250;
/** A message that is drawn late is waited for so many frames. */
const MOST_FRAMES = 240;

/** The places of a text in a row, in their order: those from the number `first` on, before `end`. */
export function rangesIn(row: HTMLElement, query: string, first = 0, end = Infinity): Range[] {
  const { text, nodes } = textOf(row);
  const lowerText = text.toLowerCase();
  const term = query.toLowerCase();
  const ranges: Range[] = [];
  // A letter whose small form has another length would shift all places after it.
  const isSameLength = lowerText.length === text.length;
  let at = isSameLength && term !== '' ? lowerText.indexOf(term) : -1;
  for (let number = 0; at >= 0 && number < end; number += 1) {
    if (number >= first) {
      const range = rangeOf(nodes, at, at + term.length);
      ranges.push(...(range === null ? [] : [range]));
    }
    at = lowerText.indexOf(term, at + term.length);
  }
  return ranges;
}

function rangeOf(nodes: readonly PlacedText[], from: number, to: number): Range | null {
  const start = lastBefore(nodes, from + 1);
  const end = lastBefore(nodes, to);
  if (start === undefined || end === undefined) {
    return null;
  }
  const range = document.createRange();
  range.setStart(start.node, Math.min(from - start.from, start.node.length));
  range.setEnd(end.node, Math.min(to - end.from, end.node.length));
  return range;
}

/** The last text node that begins before this place, by halving. */
function lastBefore(nodes: readonly PlacedText[], at: number): PlacedText | undefined {
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((nodes[middle]?.from ?? 0) < at) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return nodes[low - 1];
}

/** The marked places: the one with this number, and so many before and after it in its message. */
export function rangesNear(row: HTMLElement, query: string, number: number): Range[] {
  return rangesIn(row, query, Math.max(0, number - MARKED_AROUND), number + MARKED_AROUND);
}

interface PlacedText {
  readonly node: Text;
  readonly from: number;
}

/** The text of a row, with a line break between its blocks, and where each text node is in it. */
function textOf(row: HTMLElement): { text: string; nodes: readonly PlacedText[] } {
  const nodes: PlacedText[] = [];
  let text = '';
  let before: Element | null = null;
  for (const content of row.querySelectorAll(CONTENT)) {
    if (content.parentElement?.closest(CONTENT) != null) {
      continue; // it is searched as a part of the content around it
    }
    const walker = document.createTreeWalker(content, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const parent = node.parentElement;
      if (!(node instanceof Text) || parent === null || parent.closest(NOT_SEARCHED) !== null) {
        continue;
      }
      const block = parent.closest(BLOCKS);
      text += block === before ? '' : '\n';
      before = block;
      nodes.push({ node, from: text.length });
      text += node.data;
    }
  }
  return { text, nodes };
}

/** Wait until the place is drawn; null if it is not drawn in time. Opens what is folded. */
export async function drawnRange(
  row: HTMLElement,
  query: string,
  hit: { readonly index: number; readonly isFolded: boolean },
  frames: Frames
): Promise<Range | null> {
  for (let frame = 0; frame < MOST_FRAMES && row.isConnected; frame += 1) {
    await frames.rest(0);
    if (hit.isFolded) {
      const folds = row.querySelectorAll<HTMLDetailsElement>('details[data-testid=reasoning]');
      folds.forEach(fold => (fold.open = true));
    }
    row.querySelector<HTMLElement>('[data-testid=unfold][aria-expanded=false]')?.click();
    const isDrawing = row.querySelector('[data-testid=undrawn]') !== null;
    const { index } = hit;
    const [range] = isDrawing ? [] : rangesIn(row, query, index, index + 1);
    if (range !== undefined) {
      range.startContainer.parentElement
        ?.closest<HTMLDetailsElement>('details:not([open])')
        ?.setAttribute('open', '');
      return range;
    }
  }
  return null;
}

/** Mark places; the current one stands out. Without places, nothing is marked any more. */
export function mark(ranges: readonly Range[], current: Range | null): void {
  // The browser may not have highlights; the message itself is marked then.
  const { highlights } = CSS as { readonly highlights?: typeof CSS.highlights };
  if (highlights === undefined) {
    return;
  }
  highlights.delete(ALL);
  highlights.delete(CURRENT);
  if (current !== null) {
    highlights.set(ALL, new Highlight(...ranges));
    highlights.set(CURRENT, Object.assign(new Highlight(current), { priority: 1 }));
  }
}
