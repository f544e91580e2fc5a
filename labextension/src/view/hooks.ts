/** What the components share: the services of the page, the state of a thread, the time. */
import { type TranslationBundle } from '@jupyterlab/translation';
import {
  createContext,
  useContext,
  useEffect,
  useLayoutEffect,
  useState,
  useSyncExternalStore
} from 'react';

import { type Language } from '../language';
import { type ThreadClient, type ThreadState } from '../model';
import { type Ticker } from '../ticker';
import { type MarkdownServices } from './markdown';
import { type Visibility } from './visibility';
import { paceOf } from './times';

/** What a chat is drawn with. */
export interface ChatServices {
  readonly markdown: MarkdownServices;
  readonly ticker: Ticker;
  readonly visibility: Visibility;
}

const Services = createContext<ChatServices | null>(null);

export const ServicesProvider = Services.Provider;

function useChatServices(): ChatServices {
  const services = useContext(Services);
  if (services === null) {
    throw new Error('A chat is drawn outside of its ServicesProvider.');
  }
  return services;
}

/** The page's translated texts, and the language of its dates. */
export function useLanguage(): Language {
  return useMarkdownServices().language;
}

/** The page's translated texts. */
export function useTrans(): TranslationBundle {
  return useLanguage().trans;
}

/** What Markdown is drawn with on this page. */
export function useMarkdownServices(): MarkdownServices {
  return useChatServices().markdown;
}

/** The thread's state; draws again when it is announced. */
export function useThread(client: ThreadClient): ThreadState {
  return useSyncExternalStore(client.subscribe, client.getState);
}

/**
 * The time, drawn again as often as the words for `at` change, while the chat can be seen; null: never.
 */
export function useNow(at: string | null): number {
  const { ticker, visibility } = useChatServices();
  const isSeen = useSyncExternalStore(visibility.subscribe, visibility.get);
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
