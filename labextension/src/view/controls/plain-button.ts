/** Buttons outside of React: at cells, above code, and where the view could not be loaded. */
import { SUPPRESS_SHORTCUTS } from './keys';

export function plainButton(testid: string, text = '', className = ''): HTMLButtonElement {
  const node = document.createElement('button');
  node.type = 'button';
  node.className = className;
  node.textContent = text;
  node.dataset['testid'] = testid;
  node.setAttribute(SUPPRESS_SHORTCUTS, 'true');
  return node;
}
