/**
 * Draws a chat into a node of the page, and loads the view with the first chat.
 *
 *     loading ──loaded──► mounted (the view draws)
 *        ▲ │
 *        │ └──failed──► a sentence, the saved copy and a button
 *        └──── button ────┘
 *
 * Modules that load at JupyterLab's start import this module and never `view/mount.tsx`. The page follows
 * the thread from the first `show` on, so messages arrive while the view is loading.
 */
import { openingText, tryAgainText } from '../text/texts';
import { type ThreadClient } from '../thread/model';
import { plainButton } from '../view/controls/plain-button';
import type * as View from '../view/mount';

export type ChatPage = View.ChatPage;
export type MountedChat = View.MountedChat;
type ShownChat = View.ShownChat;

type ViewModule = Pick<typeof View, 'mountChat'>;

/** Loads the view once. After a failure the next call tries again. */
export class ViewLoader {
  constructor(private readonly _load: () => Promise<ViewModule>) {}

  /** The view if it is loaded, so that later chats are drawn without a delay. */
  get view(): ViewModule | null {
    return this._view;
  }

  async load(): Promise<ViewModule> {
    this._loading ??= this._load();
    try {
      this._view = await this._loading;
      return this._view;
    } catch (reason) {
      this._loading = null;
      throw reason;
    }
  }

  private _loading: Promise<ViewModule> | null = null;
  private _view: ViewModule | null = null;
}

const VIEW = new ViewLoader(() => import(/* webpackChunkName: "view" */ '../view/mount'));

/** Draw one chat at a time into `host`. `dispose` stops following the thread and removes the chat. */
export function mountChat(host: HTMLElement, page: ChatPage, loader = VIEW): MountedChat {
  return loader.view === null
    ? new LateChat(host, page, loader)
    : loader.view.mountChat(host, page);
}

/** A chat whose view may still be loading. Only the last `show` has an effect. */
class LateChat implements MountedChat {
  constructor(
    private readonly _host: HTMLElement,
    private readonly _page: ChatPage,
    private readonly _loader: ViewLoader
  ) {
    this._notice.className = 'jp-ChatStream-loading';
    this._notice.dataset['testid'] = 'view-loading';
    _host.classList.add('jp-ChatStream');
    _host.append(this._notice);
    void this._mount();
  }

  show(chat: ShownChat): void {
    this._shownChat = chat;
    if (this._chat !== null) {
      this._chat.show(chat);
      return;
    }
    const { threads } = this._page;
    const before = this._client;
    this._client = threads.acquire(chat.threadId);
    this._host.dataset['thread'] = chat.threadId;
    if (before !== null) {
      threads.release(before);
    }
  }

  dispose(): void {
    this._isDisposed = true;
    this._notice.remove();
    this._chat?.dispose();
    this._release();
  }

  private async _mount(): Promise<void> {
    const { trans } = this._page.services.language;
    this._notice.textContent = openingText(trans);
    try {
      const view = await this._loader.load();
      if (!this._isDisposed) {
        this._notice.remove();
        this._chat = view.mountChat(this._host, this._page);
        if (this._shownChat !== null) {
          this._chat.show(this._shownChat);
        }
      }
      this._release();
    } catch (reason) {
      console.warn('The page could not load the view of chats:', reason);
      if (!this._isDisposed) {
        this._tellFailure();
      }
    }
  }

  /** Show a sentence, a button that tries again, and the saved copy as plain text. */
  private _tellFailure(): void {
    const { trans } = this._page.services.language;
    const sentence = document.createElement('p');
    sentence.textContent = trans.__(
      'The page could not load the chat. Try again, or reload the page. Messages are kept on the server.'
    );
    const retryButton = plainButton('view-again', tryAgainText(trans), 'jp-ChatStream-button');
    retryButton.addEventListener('click', () => void this._mount());
    this._notice.replaceChildren(sentence, retryButton);
    const copy = this._shownChat?.savedCopy ?? null;
    if (copy !== null) {
      const text = document.createElement('pre');
      text.textContent = copy;
      this._notice.append(text);
    }
  }

  /** Stop following the thread, because the view follows it from its first `show` on. */
  private _release(): void {
    if (this._client !== null) {
      this._page.threads.release(this._client);
      this._client = null;
    }
  }

  private readonly _notice = document.createElement('div');
  private _shownChat: ShownChat | null = null;
  private _client: ThreadClient | null = null;
  private _chat: MountedChat | null = null;
  private _isDisposed = false;
}
