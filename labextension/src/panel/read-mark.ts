/** Marks a thread as read while its end can be seen in a page that has the focus. */
import { type RefObject, useEffect, useRef } from 'react';

import { type Api } from '../api';
import { type ThreadClient } from '../model';

/** The end counts as seen within so many px, because browsers round. */
const NEAR_PX = 40;
/** A chat that was just opened scrolls to its end within this time. */
const SETTLED_MS = 300;

export interface ReadMarkOptions {
  readonly api: Api;
  readonly client: ThreadClient;
  /** The number of answers that were not read. */
  readonly unread: number;
  /** The last seq that is drawn. */
  readonly seq: number;
}

/** Mark what is seen in `room` as read. */
export function useReadMark(room: RefObject<HTMLElement>, options: ReadMarkOptions): void {
  const { api, client, unread, seq } = options;
  const marked = useRef(0);
  useEffect(() => {
    const node = room.current;
    if (node === null || unread === 0) {
      return undefined;
    }
    const look = (): void => {
      if (client.isLive && seq > marked.current && isEndSeen(node)) {
        marked.current = seq;
        const path = `threads/${encodeURIComponent(client.threadId)}/read`;
        api.request({ method: 'PUT', path, body: { seq } }).catch(() => {
          marked.current = 0; // the next look tries again
        });
      }
    };
    look();
    const timer = setTimeout(look, SETTLED_MS);
    window.addEventListener('focus', look);
    document.addEventListener('visibilitychange', look);
    node.addEventListener('scroll', look, true);
    return () => {
      clearTimeout(timer);
      window.removeEventListener('focus', look);
      document.removeEventListener('visibilitychange', look);
      node.removeEventListener('scroll', look, true);
    };
  }, [room, api, client, unread, seq]);
}

function isEndSeen(node: HTMLElement): boolean {
  const log = node.querySelector<HTMLElement>('[data-testid=log]');
  const isSeen = document.visibilityState === 'visible' && document.hasFocus();
  if (!isSeen || log === null || log.clientHeight === 0) {
    return false;
  }
  return log.scrollHeight - log.scrollTop - log.clientHeight <= NEAR_PX;
}
