/** Puts texts on the clipboard. */
import { SUPPRESS_SHORTCUTS } from './keys';

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
