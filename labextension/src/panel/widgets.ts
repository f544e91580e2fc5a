/** The widgets of the side panel and of tabs. Their content is loaded when they first become visible. */
import { type Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { focusChat } from './focus';
import { chatIcon } from './icon';

/** The content that is drawn in a widget. */
export interface Content {
  dispose(): void;
}

export type Draw = (host: HTMLElement) => Promise<Content>;

export class ChatWidget extends Widget {
  constructor(private readonly _draw: Draw) {
    super();
    this.title.icon = chatIcon;
    this.addClass('jp-ChatStream-place');
  }

  /** Called whenever the widget is shown or hidden. */
  onShown: (isShown: boolean) => void = () => undefined;

  override dispose(): void {
    if (!this.isDisposed) {
      this._content?.dispose();
      this._content = null;
    }
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._onVisible();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._onVisible();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.onShown(false);
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    focusChat(this.node);
  }

  private _onVisible(): void {
    if (!this.isVisible) {
      return;
    }
    this.onShown(true);
    if (!this._isLoading) {
      this._isLoading = true;
      void this._load();
    }
  }

  private async _load(): Promise<void> {
    try {
      const content = await this._draw(this.node);
      if (this.isDisposed) {
        content.dispose();
      } else {
        this._content = content;
      }
    } catch (reason) {
      this._isLoading = false; // try again when the widget is shown next
      throw reason;
    }
  }

  private _content: Content | null = null;
  private _isLoading = false;
}

/** A thread in a tab of the main area. */
export class ChatTab extends ChatWidget {
  constructor(
    readonly threadId: string,
    draw: Draw
  ) {
    super(draw);
    this.id = `jp-ChatStream-tab-${threadId}`;
    this.title.closable = true;
  }

  /** Dispose of a closed tab, so that its thread can be opened in a new tab. */
  protected override onCloseRequest(message: Message): void {
    super.onCloseRequest(message);
    this.dispose();
  }
}
