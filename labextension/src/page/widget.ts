/**
 * `Chat` as an ipywidget.
 *
 * The kernel's follower sets `run_id`, `value`, `status`, `busy`, `seq` and `model`. The page gets the chat
 * from the server, and only `thread`, `height` and `disabled` from the kernel. This module is loaded with
 * the first widget.
 */
import { DOMWidgetModel, DOMWidgetView } from '@jupyter-widgets/base';

import { fieldsOf } from '../protocol/fields';
import { type ChatPage, type MountedChat, mountChat } from './mounting';
import { WIDGET_VERSION } from './tokens';

const MODULE = 'jupyter-chat-stream';

/** The two classes that the widget registry asks for. */
export function widgetClasses(page: () => ChatPage): {
  readonly ChatModel: typeof ChatModel;
  readonly ChatView: typeof DOMWidgetView;
} {
  class PageChatView extends ChatView {
    protected override get page(): ChatPage {
      return page();
    }
  }
  return { ChatModel, ChatView: PageChatView };
}

class ChatModel extends DOMWidgetModel {
  override defaults(): Backbone.ObjectHash {
    return {
      ...super.defaults(),
      _model_name: 'ChatModel',
      _model_module: MODULE,
      _model_module_version: `^${WIDGET_VERSION}`,
      _view_name: 'ChatView',
      _view_module: MODULE,
      _view_module_version: `^${WIDGET_VERSION}`,
      thread: '',
      run_id: '',
      value: '',
      status: '',
      busy: false,
      seq: 0,
      model: '',
      disabled: false,
      height: 0
    };
  }
}

abstract class ChatView extends DOMWidgetView {
  protected abstract get page(): ChatPage;

  override render(): void {
    super.render();
    const host = document.createElement('div');
    this.el.append(host);
    this.el.classList.add('jp-ChatStream-widget');
    this._chat = mountChat(host, this.page);
    this.listenTo(this.model, 'change:thread change:disabled change:height', () => this._show());
    this.listenTo(this.model, 'msg:custom', (message: unknown) => this._obey(message));
    this._show();
  }

  override remove(): void {
    this._chat?.dispose();
    this._chat = null;
    super.remove();
  }

  private _show(): void {
    const threadId: unknown = this.model.get('thread');
    if (typeof threadId === 'string' && threadId !== '') {
      this._chat?.show({
        threadId,
        runId: null,
        savedCopy: null,
        isDisabled: this.model.get('disabled') === true,
        height: pixels(this.model.get('height')),
        place: 'output'
      });
    }
  }

  /** Execute `focus()` and `blur()` of the kernel's widget. */
  private _obey(message: unknown): void {
    const { do: action } = fieldsOf(message);
    const field = this.el.querySelector('[data-testid=field]');
    if (field instanceof HTMLElement && action === 'focus') {
      field.focus();
    } else if (field instanceof HTMLElement && action === 'blur') {
      field.blur();
    }
  }

  private _chat: MountedChat | null = null;
}

/** The trait's height in px, a number or a text; null lets the view choose. */
function pixels(value: unknown): number | null {
  const height = typeof value === 'string' ? parseFloat(value) : Number(value);
  return Number.isFinite(height) && height > 0 ? height : null;
}
