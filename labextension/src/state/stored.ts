/** Values in a storage of the browser, as JSON. A storage that is full or forbidden keeps nothing. */

/** Read a value; null if there is none. */
export function readStored(storage: () => Storage, key: string): unknown {
  try {
    return JSON.parse(storage().getItem(key) ?? 'null');
  } catch {
    return null; // the browser forbids storage, or the stored value is no JSON
  }
}

/** Keep a value; null removes it. */
export function writeStored(storage: () => Storage, key: string, value: unknown): void {
  try {
    if (value === null) {
      storage().removeItem(key);
    } else {
      storage().setItem(key, JSON.stringify(value));
    }
  } catch {
    // The value lives as long as the page.
  }
}
