/** What a view of a thread keeps for its reader: the drawn messages and the place. */
import { type KeyboardEvent, useMemo, useState } from 'react';

import { type Message } from '../../protocol/records';
import { type ThreadState } from '../../thread/thread-state';
import { type ChatProps } from '../chat';
import { DrawnWindow } from './drawn-window';
import { storedPlace } from './places';
import { type ScrollerProps } from './scroller';

type ReadingProps = ChatProps & { readonly state: ThreadState; readonly isWaiting: boolean };

interface Reading {
  readonly scroller: Pick<
    ScrollerProps,
    'drawnWindow' | 'store' | 'ids' | 'isWhole' | 'target' | 'messages' | 'isFinding' | 'setFinding'
  >;
  readonly onKeyDown: (event: KeyboardEvent) => void;
}

export function useReading(
  { client, runId, place, target = null, state, isWaiting }: ReadingProps,
  messages: readonly Message[]
): Reading {
  const [drawnWindow] = useState(() => new DrawnWindow());
  const store = useMemo(
    () => storedPlace(() => window.sessionStorage, client.threadId, runId ?? place),
    [client, runId, place]
  );
  const ids = useIds(messages);
  useMemo(() => {
    drawnWindow.admit(ids, target?.messageId ?? store.load()?.messageId ?? null);
  }, [drawnWindow, ids, target, store]);
  const isWhole = !isWaiting && state.link !== 'connecting';
  const [isFinding, setFinding] = useState(false);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isFindKey(event, place)) {
      event.preventDefault();
      setFinding(true);
    }
  };
  const scroller = { drawnWindow, store, ids, isWhole, target, messages, isFinding, setFinding };
  return { scroller, onKeyDown };
}

/** The ids of the messages; the same array as long as they are the same. */
function useIds(messages: readonly Message[]): readonly string[] {
  const [lastIds, setLastIds] = useState<readonly string[]>([]);
  const isKept =
    lastIds.length === messages.length && messages.every(({ id }, index) => id === lastIds[index]);
  if (isKept) {
    return lastIds;
  }
  const ids = messages.map(({ id }) => id);
  setLastIds(ids);
  return ids;
}

/** Ctrl+F (on a Mac Cmd+F) in the panel and in tabs; in a cell's output the browser finds. */
function isFindKey(event: KeyboardEvent, place: ChatProps['place']): boolean {
  const isAccel = event.ctrlKey !== event.metaKey;
  const isOther = event.shiftKey || event.altKey;
  return place !== 'output' && isAccel && !isOther && event.key.toLowerCase() === 'f';
}
