/** Bounds on what the page remembers. Pure. */

/** Forget the oldest entry if there are more than `most`. */
export function forgetOldest(entries: Map<string, unknown>, most: number): void {
  const [oldest] = entries.keys();
  if (entries.size > most && oldest !== undefined) {
    entries.delete(oldest);
  }
}
