/**
 * The places of chats beside the notebooks: the side panel, and tabs of the main area.
 *
 * The panel is on the right in JupyterLab and in Notebook 7. Notebook 7 has no tabs, so chats open in the
 * panel there. The panel shows the same thread after a reload.
 */
import {
  type ILabShell,
  type ILayoutRestorer,
  type JupyterFrontEnd
} from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';
import { type IStateDB } from '@jupyterlab/statedb';
import { type ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { type IChatPage } from '../page/tokens';
import { readStored, writeStored } from '../state/stored';
import { focusChat } from './focus';
import { type OpenTarget, OpenedThread } from './opened';
import { chatText, chatsText } from './texts';
import { ChatTab, ChatWidget, type Content, type Draw } from './widgets';

export interface PlacesOptions {
  readonly app: JupyterFrontEnd;
  readonly page: IChatPage;
  readonly labShell: ILabShell | null;
  readonly state: IStateDB | null;
  /** Loads the code of the panel, and draws the list and the open thread. */
  readonly drawPanel: Draw;
  readonly drawTab: (host: HTMLElement, tab: TabContent) => Promise<Content>;
}

/** The content of a tab. */
export interface TabContent {
  readonly target: OpenedThread;
  readonly places: ChatPlaces;
  /** Called when the thread's title changes. */
  readonly retitle: (title: string) => void;
}

const PANEL_ID = 'jp-ChatStream-panel';
const STATE_KEY = 'jupyter-chat-stream:panel';
const RANK = 850;

export class ChatPlaces {
  constructor(private readonly _options: PlacesOptions) {
    const { trans } = _options.page.services.language;
    this.panel = new ChatWidget(host => _options.drawPanel(host));
    this.panel.id = PANEL_ID;
    this.panel.title.caption = chatsText(trans);
    this.panel.node.setAttribute('aria-label', chatsText(trans));
    this.panel.node.setAttribute('role', 'region');
  }

  readonly panel: ChatWidget;

  /** The thread that the panel shows beside its list. */
  readonly inPanel = new OpenedThread(null);

  readonly tabs = new WidgetTracker<ChatTab>({ namespace: 'jupyter-chat-stream-tabs' });

  /** Whether the page has tabs; if not, all chats open in the panel. */
  get hasTabs(): boolean {
    return this._options.labShell !== null;
  }

  /** Add the panel to the page, and restore its thread. */
  add(restorer: ILayoutRestorer | null, openCommand: string): void {
    const { app, labShell } = this._options;
    app.shell.add(this.panel, 'right', { rank: RANK });
    restorer?.add(this.panel, 'jupyter-chat-stream-panel');
    if (restorer !== null) {
      void restorer.restore(this.tabs, {
        command: openCommand,
        args: tab => ({ threadId: tab.threadId, place: 'tab' }),
        name: tab => tab.threadId
      });
    }
    let isShown = false;
    const keep = (): void => void this._saveState(isShown);
    this.inPanel.subscribe(keep);
    void this._readState().then(({ threadId, wasShown }) => {
      if (this.inPanel.getState() === null && threadId !== null) {
        this.inPanel.set({ threadId, messageId: null });
      }
      this.panel.onShown = isVisible => {
        isShown = isVisible;
        keep();
      };
      if (labShell === null && wasShown) {
        void app.restored.then(() => this.showPanel());
      }
    });
  }

  /** Bring the panel to the front and focus it. */
  showPanel(): void {
    this._options.app.shell.activateById(this.panel.id);
  }

  openInPanel(target: OpenTarget): void {
    this.inPanel.set(target);
    this.showPanel();
    focusChat(this.panel.node, true);
  }

  /** Open a thread in a tab; each thread has at most one tab. */
  openInTab(target: OpenTarget, isActivated = true): ChatWidget {
    if (!this.hasTabs) {
      this.openInPanel(target);
      return this.panel;
    }
    const { app } = this._options;
    const tab = this._tabOf(target) ?? this._addTab(target);
    if (isActivated) {
      app.shell.activateById(tab.id);
    }
    return tab;
  }

  private _tabOf(target: OpenTarget): ChatTab | undefined {
    const tab = this.tabs.find(other => other.threadId === target.threadId);
    if (tab !== undefined && target.messageId !== null) {
      this._targets.get(tab)?.set(target);
    }
    return tab;
  }

  private _addTab(target: OpenTarget): ChatTab {
    const { app, page, drawTab } = this._options;
    const { trans } = page.services.language;
    const inTab = new OpenedThread(target);
    const retitle = (title: string): void => {
      tab.title.label = title;
      tab.title.caption = title;
    };
    const tab = new ChatTab(target.threadId, host =>
      drawTab(host, { target: inTab, places: this, retitle })
    );
    retitle(chatText(trans));
    this._targets.set(tab, inTab);
    app.shell.add(tab, 'main');
    void this.tabs.add(tab);
    return tab;
  }

  /** Store the panel's thread: in JupyterLab's workspace, or without one in this browser tab. */
  private async _saveState(isShown: boolean): Promise<void> {
    const value = { threadId: this.inPanel.getState()?.threadId ?? null, isShown };
    const { state } = this._options;
    if (state === null) {
      writeStored(() => window.sessionStorage, STATE_KEY, value);
    } else {
      // If that fails, a reload shows the list.
      await state.save(STATE_KEY, value).catch(() => undefined);
    }
  }

  private async _readState(): Promise<{ threadId: string | null; wasShown: boolean }> {
    const { state } = this._options;
    const value =
      state === null
        ? readStored(() => window.sessionStorage, STATE_KEY)
        : await state.fetch(STATE_KEY).catch(() => null);
    const { threadId, isShown } = (value ?? {}) as ReadonlyPartialJSONObject;
    return {
      threadId: typeof threadId === 'string' ? threadId : null,
      wasShown: isShown === true
    };
  }

  private readonly _targets = new WeakMap<ChatTab, OpenedThread>();
}
