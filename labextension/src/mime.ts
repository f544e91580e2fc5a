/**
 * The MIME renderer: a chat in a cell output, drawn from the server by the thread's id.
 *
 * Safe in a notebook that is not trusted: the bundle holds no HTML, and what the thread holds is
 * sanitised. The bundle's Markdown is the saved copy, for a thread that this server does not know.
 */
import { type IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';

import { MIME_TYPE, parseAddress } from './address';
import { type ChatPage, type MountedChat, mountChat } from './view/mount';

/** Where renderers get their page from once it is there. */
export function rendererFactory(page: () => ChatPage): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [MIME_TYPE],
    defaultRank: -20,
    createRenderer: () => new ThreadRenderer(page())
  };
}

export class ThreadRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(page: ChatPage) {
    super();
    this.addClass('jp-ChatStream-output');
    const host = document.createElement('div');
    this.node.append(host);
    this._page = page;
    this._chat = mountChat(host, page);
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
      height: null
    });
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this._chat.dispose();
    }
    super.dispose();
  }

  private readonly _page: ChatPage;
  private readonly _chat: MountedChat;
}
