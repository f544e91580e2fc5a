/** Draws a chat into a node of the page, for the MIME renderer and the widget. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { type Threads } from '../thread/page-threads';
import { Chat, type ChatProps } from './chat';
import { type MarkdownServices } from './drawing/markdown';
import { ServicesProvider } from './hooks';
import { type Ticker } from './ticker';
import { Visibility } from './visibility';

export interface ChatPage {
  readonly threads: Threads;
  readonly services: MarkdownServices;
  readonly ticker: Ticker;
}

export interface ShownChat extends Omit<ChatProps, 'client'> {
  readonly threadId: string;
}

export interface MountedChat {
  show(chat: ShownChat): void;
  dispose(): void;
}

/** Events inside a chat that must not reach the notebook. */
const OURS = ['keydown', 'keyup', 'keypress'] as const;

/** Draw one chat at a time into `host`. `dispose` stops following the thread and removes the chat. */
export function mountChat(host: HTMLElement, page: ChatPage): MountedChat {
  const stop = (event: Event): void => event.stopPropagation();
  OURS.forEach(type => host.addEventListener(type, stop));
  host.classList.add('jp-ChatStream');
  const inner = document.createElement('div');
  inner.className = 'jp-ChatStream-root';
  host.append(inner);
  const root = createRoot(inner);
  const visibility = new Visibility(host);
  const { files } = page.threads;
  const services = { markdown: page.services, ticker: page.ticker, visibility, files };
  let client: ReturnType<Threads['acquire']> | null = null;
  return {
    show: ({ threadId, ...props }) => {
      if (client === null || client.threadId !== threadId) {
        const before = client;
        client = page.threads.acquire(threadId);
        if (before !== null) {
          page.threads.release(before);
        }
      }
      host.dataset['thread'] = threadId;
      host.dataset['place'] = props.place;
      root.render(
        <StrictMode>
          <ServicesProvider value={services}>
            <Chat key={threadId} client={client} {...props} />
          </ServicesProvider>
        </StrictMode>
      );
    },
    dispose: () => {
      OURS.forEach(type => host.removeEventListener(type, stop));
      // React may be rendering now, and must not be unmounted while it does.
      queueMicrotask(() => root.unmount());
      visibility.dispose();
      if (client !== null) {
        page.threads.release(client);
        client = null;
      }
    }
  };
}
