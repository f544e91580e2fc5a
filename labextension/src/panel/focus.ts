/** Moves the focus into a chat that was opened. */

const COMPOSER = '[data-testid=field]:not(:disabled)';
const SEARCH = '[data-testid=thread-search]';
/** If the composer is not drawn within this time, the focus stays. */
const DRAWN_BY_MS = 5_000;

/**
 * Focus the composer in `node` as soon as it is drawn; if no thread is open or `isOpening`, the search
 * field of the list. If the person moves the focus meanwhile, leave it there.
 */
export function focusChat(node: HTMLElement, isOpening = false): void {
  const from = document.activeElement;
  const focus = (): boolean => {
    const isMoved = ![from, document.body].includes(document.activeElement);
    if (isMoved && !node.contains(document.activeElement)) {
      return true;
    }
    const isOpen = isOpening || node.querySelector('[data-open=true]') !== null;
    const fields = [
      ...node.querySelectorAll<HTMLElement>(isOpen ? COMPOSER : `${COMPOSER}, ${SEARCH}`)
    ];
    const field = fields.find(input => input.getClientRects().length > 0);
    field?.focus({ preventScroll: true });
    return field !== undefined;
  };
  if (focus()) {
    return;
  }
  const observer = new MutationObserver(() => focus() && observer.disconnect());
  observer.observe(node, { childList: true, subtree: true });
  setTimeout(() => observer.disconnect(), DRAWN_BY_MS);
}
