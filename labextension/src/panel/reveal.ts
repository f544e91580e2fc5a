/** Scrolls to a message that a search has found, as soon as the chat has drawn it. */

/** A message that was not drawn by then is not scrolled to. */
const DRAWN_BY_MS = 5_000;
/** So long the message is marked. */
const MARKED_MS = 2_000;
const MARK = 'jp-mod-found';

/** Scroll to the message when it is there; the function returned gives up. */
export function revealMessage(node: HTMLElement, messageId: string): () => void {
  const find = (): boolean => {
    const messages = [...node.querySelectorAll<HTMLElement>('[data-message-id]')];
    const message = messages.find(it => it.dataset['messageId'] === messageId);
    if (message === undefined) {
      // Older messages are drawn on demand.
      node.querySelector<HTMLElement>('[data-testid=earlier]')?.click();
      return false;
    }
    message.scrollIntoView({ block: 'center' });
    message.classList.add(MARK);
    setTimeout(() => message.classList.remove(MARK), MARKED_MS);
    return true;
  };
  const observer = new MutationObserver(() => find() && observer.disconnect());
  observer.observe(node, { childList: true, subtree: true });
  const timer = setTimeout(() => observer.disconnect(), DRAWN_BY_MS);
  if (find()) {
    observer.disconnect();
  }
  return () => {
    observer.disconnect();
    clearTimeout(timer);
  };
}
