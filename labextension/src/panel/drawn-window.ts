/** Computes which items of a long list are drawn: the items in the window, and some around it. Pure. */

/** The top of each item, followed by the total height. */
export function tops(heights: readonly number[]): readonly number[] {
  const result = [0];
  for (const height of heights) {
    result.push((result.at(-1) ?? 0) + height);
  }
  return result;
}

/** Items within this many px above and below the window are drawn too, so that scrolling shows no gaps. */
const AROUND_PX = 600;

/** The range of items to draw: from `from`, without `to`. */
export function drawnRange(
  itemTops: readonly number[],
  top: number,
  height: number
): { readonly from: number; readonly to: number } {
  const count = itemTops.length - 1;
  const from = Math.max(0, indexAt(itemTops, top - AROUND_PX));
  return { from, to: Math.min(count, indexAt(itemTops, top + height + AROUND_PX) + 1) };
}

/** The last item whose top is at or above `y`. */
function indexAt(itemTops: readonly number[], y: number): number {
  let low = 0;
  let high = Math.max(0, itemTops.length - 2);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((itemTops[middle] ?? 0) <= y) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}
