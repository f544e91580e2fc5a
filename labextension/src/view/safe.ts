/**
 * What a model wrote, made safe to show: nothing remote is loaded, links need a click.
 *
 * Works behind JupyterLab's sanitizer, which removes scripts but lets images load. The HTML is
 * parsed in an inert document, so that nothing is fetched before it is taken out.
 */

/** On the focused element itself, or the notebook's shortcuts act on it (Shift+Enter, `dd`). */
export const SUPPRESS_SHORTCUTS = 'data-lm-suppress-shortcuts';

/** Spread into every focusable element of ours. */
export const OWN_KEYS = { [SUPPRESS_SHORTCUTS]: 'true' } as const;

const FOCUSABLE =
  'a, area, button, input, select, textarea, summary, pre, [tabindex], [contenteditable]';
const LOADING = 'audio, video, source, track, picture, embed, object, iframe, link, base, meta';
const LOADING_ATTRIBUTES = ['srcset', 'background', 'poster', 'ping', 'accesskey', 'id', 'name'];
const SAFE_IMAGE = /^data:image\/(png|jpe?g|gif|webp|avif|svg\+xml)[;,]/i;
const SAFE_LINK = /^(https?:|mailto:)/i;
const LOADING_STYLE = /url\s*\(|image-set|position\s*:/i;

/** Take out of sanitised HTML all that would load something or leave without a click. */
export function withoutRemote(html: string): string {
  const page = new DOMParser().parseFromString(html, 'text/html');
  page.body.querySelectorAll('img').forEach(image => {
    if (!SAFE_IMAGE.test(image.getAttribute('src') ?? '')) {
      image.replaceWith(linkInstead(page, image));
    }
  });
  page.body.querySelectorAll(LOADING).forEach(node => node.remove());
  page.body.querySelectorAll('*').forEach(node => {
    LOADING_ATTRIBUTES.forEach(name => node.removeAttribute(name));
    if (LOADING_STYLE.test(node.getAttribute('style') ?? '')) {
      node.removeAttribute('style');
    }
  });
  page.body.querySelectorAll('a').forEach(secureLink);
  return page.body.innerHTML;
}

/** An image elsewhere becomes a link that names it. */
function linkInstead(page: Document, image: HTMLImageElement): HTMLElement {
  const source = image.getAttribute('src') ?? '';
  const link = page.createElement('a');
  link.textContent = image.getAttribute('alt') || source || 'image';
  link.title = 'Image not loaded: click to open it';
  link.className = 'jp-ChatStream-image';
  link.setAttribute('href', source);
  return image.closest('a') === null ? link : page.createElement('span');
}

function secureLink(link: HTMLAnchorElement): void {
  if (!SAFE_LINK.test(link.getAttribute('href') ?? '')) {
    link.removeAttribute('href');
    return;
  }
  link.setAttribute('target', '_blank');
  link.setAttribute('rel', 'noopener noreferrer');
}

/** Finish what was rendered: keys stay ours, links open elsewhere, headings carry no anchor. */
export function harden(host: HTMLElement): void {
  host.querySelectorAll('.jp-InternalAnchorLink').forEach(node => node.remove());
  host.querySelectorAll('h1, h2, h3, h4, h5, h6').forEach(node => node.removeAttribute('id'));
  host.querySelectorAll('a').forEach(link => {
    if (link instanceof HTMLAnchorElement) {
      secureLink(link);
    }
  });
  host.querySelectorAll(FOCUSABLE).forEach(node => node.setAttribute(SUPPRESS_SHORTCUTS, 'true'));
}
