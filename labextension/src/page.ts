/** The page's own things put together: its connection, its clock, its frames, its drafts. */
import { type IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { type ServerConnection } from '@jupyterlab/services';

import { ServerApi } from './api';
import { type Clock, Connection } from './connection';
import { StoredDrafts } from './drafts';
import { Threads } from './model';
import { Ticker } from './ticker';
import { type ChatPage } from './view/mount';
import { RenderQueue } from './view/queue';
import { blockRenderer } from './view/rendering';

export const PAGE_CLOCK: Clock = {
  now: () => Date.now(),
  later: (action, delay_ms) => {
    const timer = setTimeout(action, delay_ms);
    return () => clearTimeout(timer);
  }
};

const onFrame = (action: () => void): void => void requestAnimationFrame(action);
const now = (): number => performance.now();

/** Make what all chats of a page share. Lives as long as the page. */
export function createPage(
  settings: ServerConnection.ISettings,
  rendermime: IRenderMimeRegistry
): ChatPage {
  const api = new ServerApi(settings);
  const connection = new Connection({
    openSocket: () => api.openSocket(),
    clock: PAGE_CLOCK,
    random: Math.random
  });
  window.addEventListener('online', () => connection.wake());
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') {
      connection.wake();
    }
  });
  const drafts = new StoredDrafts(() => window.sessionStorage);
  return {
    threads: new Threads({ api, connection, drafts, clock: PAGE_CLOCK, onFrame }),
    tools: {
      render: blockRenderer(rendermime),
      queue: new RenderQueue(onFrame, now),
      now,
      onFrame
    },
    ticker: new Ticker(PAGE_CLOCK)
  };
}
