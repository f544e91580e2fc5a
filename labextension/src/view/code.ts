/** Copying: to the clipboard, and the button on each code block. */
import { SUPPRESS_SHORTCUTS } from './safe';

const SAID_MS = 1_500;

/** Put a text on the clipboard; `navigator.clipboard` exists in secure contexts only. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const before = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.setAttribute(SUPPRESS_SHORTCUTS, 'true');
  area.style.cssText = 'position:fixed;top:0;opacity:0';
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  if (before instanceof HTMLElement) {
    before.focus({ preventScroll: true });
  }
  return isCopied;
}

/** Give every code block in `host` that has none a frame with a copy button. */
export function addCopyButtons(host: HTMLElement): void {
  host.querySelectorAll('pre').forEach(block => {
    if (block.parentElement?.classList.contains('jp-ChatStream-code') === true) {
      return;
    }
    const frame = document.createElement('div');
    frame.className = 'jp-ChatStream-code';
    block.replaceWith(frame);
    frame.append(
      block,
      copyButton(() => block.textContent ?? '')
    );
  });
}

function copyButton(source: () => string): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'jp-ChatStream-copy';
  button.dataset['testid'] = 'copy-code';
  button.textContent = 'Copy';
  button.setAttribute('aria-label', 'Copy code');
  button.setAttribute(SUPPRESS_SHORTCUTS, 'true');
  button.addEventListener('click', () => {
    void copyText(source()).then(isCopied => {
      button.textContent = isCopied ? 'Copied' : 'Copy failed';
      setTimeout(() => (button.textContent = 'Copy'), SAID_MS);
    });
  });
  return button;
}
