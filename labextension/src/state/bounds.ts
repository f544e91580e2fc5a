/** Bounds on what the page remembers. Pure. */

/** Forget the oldest entry if there are more than `maxEntries`. */
export function forgetOldest(entries: Map<string, unknown>, maxEntries: number): void {
  const [oldest] = entries.keys();
  if (entries.size > maxEntries && oldest !== undefined) {
    entries.delete(oldest);
  }
}
