/** Makes a change a separate step for Undo, apart from text typed just before or after. */

/** Make a change that is one step in the undo history of a document or cell. */
export function asOneStep<T>(shared: object, change: () => T): T {
  cutHistory(shared);
  const result = change();
  cutHistory(shared);
  return result;
}

function cutHistory(shared: object): void {
  const history = 'undoManager' in shared ? shared.undoManager : null;
  if (typeof history === 'object' && history !== null && 'stopCapturing' in history) {
    (history as { stopCapturing: () => void }).stopCapturing();
  }
}
