/** What the panel and the tabs show. Loaded when the first of them is seen. */
import { type IChatPage } from '../tokens';
import { type MountedChat, mountChat } from '../view/mount';
import { type ChatPlaces, type TabContent } from './places';
import { type Content } from './widgets';

const SHOWN = { runId: null, savedCopy: null, isDisabled: false, height: null } as const;

export function drawPanel(host: HTMLElement, page: IChatPage, places: ChatPlaces): Content {
  const inner = document.createElement('div');
  host.append(inner);
  let chat: MountedChat | null = null;
  const draw = (): void => {
    const opened = places.inPanel.get();
    if (opened !== null) {
      chat ??= mountChat(inner, page);
      chat.show({ ...SHOWN, threadId: opened.threadId, place: 'panel' });
    }
  };
  draw();
  const end = places.inPanel.subscribe(draw);
  return {
    dispose: () => {
      end();
      chat?.dispose();
    }
  };
}

export function drawTab(host: HTMLElement, page: IChatPage, tab: TabContent): Content {
  const inner = document.createElement('div');
  host.append(inner);
  const chat = mountChat(inner, page);
  const opened = tab.opened.get();
  if (opened !== null) {
    chat.show({ ...SHOWN, threadId: opened.threadId, place: 'tab' });
  }
  return chat;
}
