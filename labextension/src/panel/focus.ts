/** Which field of a place takes the focus when a chat is opened in it. */

const COMPOSER = '[data-testid=field]:not(:disabled)';
const SEARCH = '[data-testid=thread-search]';
/** A chat that has not drawn its composer by then gets no focus. */
const DRAWN_BY_MS = 5_000;

/**
 * Focus the composer in `node` as soon as it is drawn; where no thread is open or `isOpening`, the search
 * field of the list. A reader who has moved the focus meanwhile keeps it.
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
    const field = fields.find(it => it.getClientRects().length > 0);
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
