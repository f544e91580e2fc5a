/** JupyterLab's rendermime as the renderer of one block. */
import { type IRenderMimeRegistry, renderMarkdown } from '@jupyterlab/rendermime';
import { type IRenderMime } from '@jupyterlab/rendermime-interfaces';

import { type RenderBlock } from './markdown';
import { withoutRemote } from './safe';

const MATH = /\$|\\[([]|\\begin/;

/**
 * Render Markdown with the registry's parser, sanitizer and typesetter. The registry is asked each
 * time: parser and typesetter may be registered after us.
 */
export function blockRenderer(rendermime: IRenderMimeRegistry): RenderBlock {
  const sanitizer: IRenderMime.ISanitizer = {
    sanitize: (dirty, options) => withoutRemote(rendermime.sanitizer.sanitize(dirty, options)),
    allowNamedProperties: false
  };
  return async (host, source) => {
    const { latexTypesetter, markdownParser } = rendermime;
    await renderMarkdown({
      host,
      source: markdownParser === null ? escapeHtml(source) : source,
      trusted: false,
      sanitizer,
      resolver: null,
      linkHandler: null,
      shouldTypeset: false,
      latexTypesetter,
      markdownParser
    });
    if (latexTypesetter !== null && MATH.test(source)) {
      await latexTypesetter.typeset(host);
    }
  };
}

function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
}
