/** Marks a thread as read while the end of a view of it is on the screen of a page with the focus. */
import { type RefObject, useEffect, useMemo } from 'react';

import { type ThreadClient, type ThreadState } from '../../thread/model';
import { endedSeq } from '../../thread/read-mark';
import { useVisibility } from '../hooks';
import { type Visibility } from '../visibility';

/** The end counts as seen within so many px, because browsers round. */
const NEAR_PX = 40;
/** A chat that was just opened scrolls to its end within this time; scrolling is looked at as often. */
const SETTLED_MS = 300;
/** The end of the log is looked for so many px above its edge. */
const INSIDE_PX = 4;

interface ReadMarkOptions {
  readonly client: ThreadClient;
  readonly state: ThreadState;
  /** The run whose answer alone the view shows; null if it shows the thread. */
  readonly runId: string | null;
}

/** Mark what is seen in `root` as read. */
export function useReadMark(root: RefObject<HTMLElement>, options: ReadMarkOptions): void {
  const { client, runId } = options;
  const { transcript, link } = options.state;
  const isLive = link === 'live';
  const seq = useMemo(() => endedSeq(transcript, runId), [transcript, runId]);
  const visibility = useVisibility();
  useEffect(() => {
    const node = root.current;
    if (node === null || !isLive || client.readMark.covers(seq)) {
      return undefined;
    }
    return whenSeen(visibility, () => {
      if (!client.readMark.covers(seq) && isEndSeen(node)) {
        client.readMark.mark(seq);
      }
    });
  }, [root, client, seq, isLive, visibility]);
}

/** Call `look` now and whenever more may be seen; the function returned ends this. */
function whenSeen(visibility: Visibility, look: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  // At once and once more, because a reader may leave at once, and what scrolls comes to rest.
  const lookTwice = (): void => {
    if (timer !== null) {
      return;
    }
    look();
    timer = setTimeout(() => {
      timer = null;
      look();
    }, SETTLED_MS);
  };
  lookTwice();
  window.addEventListener('focus', lookTwice);
  document.addEventListener('scroll', lookTwice, true); // a notebook scrolls around the chat
  const unsubscribe = visibility.subscribe(lookTwice);
  return () => {
    if (timer !== null) {
      clearTimeout(timer);
    }
    window.removeEventListener('focus', lookTwice);
    document.removeEventListener('scroll', lookTwice, true);
    unsubscribe();
  };
}

/** Whether the log is at its end, and this end is on the screen and behind nothing else. */
function isEndSeen(node: HTMLElement): boolean {
  const log = node.querySelector<HTMLElement>('[data-testid=log]');
  const isInFront = document.visibilityState === 'visible' && document.hasFocus();
  if (!isInFront || log === null || log.clientHeight === 0) {
    return false;
  }
  if (log.scrollHeight - log.scrollTop - log.clientHeight > NEAR_PX) {
    return false;
  }
  const { left, width, bottom } = log.getBoundingClientRect();
  const element = document.elementFromPoint(left + width / 2, bottom - INSIDE_PX);
  return element !== null && node.contains(element);
}
