/**
 * The MIME renderer: it draws the chat of a cell output from the server.
 *
 * It is safe in an untrusted notebook: it uses no HTML of the bundle, and `view/drawing/nodes.ts` draws
 * messages without HTML. The bundle's Markdown is the saved copy, shown if this server does not have the
 * thread.
 */
import { type IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';

import { MIME_TYPE, parseAddress } from '../protocol/address';
import { type ChatPage, type MountedChat, mountChat } from './mounting';

/** The factory of the renderers; `page` is called when a renderer is made. */
export function rendererFactory(page: () => ChatPage): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [MIME_TYPE],
    defaultRank: -20,
    createRenderer: () => new ThreadRenderer(page())
  };
}

class ThreadRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(private readonly _page: ChatPage) {
    super();
    this.addClass('jp-ChatStream-output');
    const host = document.createElement('div');
    this.node.append(host);
    this._chat = mountChat(host, _page);
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const address = parseAddress(model.data[MIME_TYPE]);
    if (address === null) {
      const { trans } = this._page.services.language;
      this.node.textContent = trans.__('This output does not say which chat it shows.');
      return;
    }
    const copy = model.data['text/markdown'] ?? model.data['text/plain'];
    const savedCopy = Array.isArray(copy) ? copy.join('') : copy;
    this._chat.show({
      ...address,
      savedCopy: typeof savedCopy === 'string' && savedCopy !== '' ? savedCopy : null,
      isDisabled: false,
      height: null,
      place: 'output'
    });
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._chat.dispose();
    }
    super.dispose();
  }

  private readonly _chat: MountedChat;
}
