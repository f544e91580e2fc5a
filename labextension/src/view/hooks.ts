/** What the components share: the tools of the page, the state of a thread, the time. */
import {
  createContext,
  useContext,
  useEffect,
  useLayoutEffect,
  useState,
  useSyncExternalStore
} from 'react';

import { type ThreadClient, type ThreadState } from '../model';
import { type Ticker } from '../ticker';
import { type MarkdownTools } from './markdown';
import { type Sight } from './sight';
import { paceOf } from './times';

/** What a chat is drawn with. */
export interface ChatTools {
  readonly markdown: MarkdownTools;
  readonly ticker: Ticker;
  readonly sight: Sight;
}

const Tools = createContext<ChatTools | null>(null);

export const ToolsProvider = Tools.Provider;

function useChatTools(): ChatTools {
  const tools = useContext(Tools);
  if (tools === null) {
    throw new Error('A chat is drawn outside of its ToolsProvider.');
  }
  return tools;
}

/** How Markdown is rendered on this page. */
export function useTools(): MarkdownTools {
  return useChatTools().markdown;
}

/** The thread's state; draws again when it is announced. */
export function useThread(client: ThreadClient): ThreadState {
  return useSyncExternalStore(client.subscribe, client.getState);
}

/**
 * The time, drawn again as often as the words for `at` change, while the chat can be seen; null: never.
 */
export function useNow(at: string | null): number {
  const { ticker, sight } = useChatTools();
  const isSeen = useSyncExternalStore(sight.subscribe, sight.get);
  const [now_ms, setNow] = useState(() => ticker.now);
  const pace_ms = isSeen ? paceOf(at, now_ms) : null;
  useLayoutEffect(() => {
    if (at !== null && isSeen) {
      setNow(ticker.now); // it stood still meanwhile
    }
  }, [ticker, at, isSeen]);
  useEffect(
    () => (pace_ms === null ? undefined : ticker.listen(pace_ms, setNow)),
    [ticker, pace_ms]
  );
  return now_ms;
}

/** True once `value` has been true for so long: short troubles are not shown. */
export function useLasting(value: boolean, delay_ms: number): boolean {
  const [isLasting, setLasting] = useState(false);
  useEffect(() => {
    if (!value) {
      setLasting(false);
      return undefined;
    }
    const timer = setTimeout(() => setLasting(true), delay_ms);
    return () => clearTimeout(timer);
  }, [value, delay_ms]);
  return value && isLasting;
}
