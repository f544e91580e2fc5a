/** The hooks of the components: the page's services, a thread's state, the time. */
import { type TranslationBundle } from '@jupyterlab/translation';
import {
  type RefObject,
  createContext,
  useContext,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
  useSyncExternalStore
} from 'react';

import { type AttachmentFiles } from '../composer/attachment-files';
import { type ModelsState } from '../models/model-choices';
import { type Store } from '../state/store';
import { type Language } from '../text/language';
import { type QuestionEdit } from '../thread/branching';
import { type ThreadClient, type ThreadState } from '../thread/model';
import { type PreferenceValues } from '../thread/preferences';
import { type Workspace } from '../workspace/values';
import { type MarkdownServices } from './drawing/markdown';
import { type Ticker } from './ticker';
import { paceOf } from './times';
import { type Visibility } from './visibility';

/** What all components of a chat use. */
interface ChatServices {
  readonly markdown: MarkdownServices;
  readonly ticker: Ticker;
  readonly visibility: Visibility;
  readonly files: AttachmentFiles;
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

/** Whether the chat can be seen. */
export function useVisibility(): Visibility {
  return useChatServices().visibility;
}

/** The page's translated texts, and the language of its dates. */
export function useLanguage(): Language {
  return useMarkdownServices().language;
}

/** The page's translated texts. */
export function useTrans(): TranslationBundle {
  return useLanguage().trans;
}

/** The bytes of attachments. */
export function useAttachmentFiles(): AttachmentFiles {
  return useChatServices().files;
}

/** What Markdown is drawn with on this page. */
export function useMarkdownServices(): MarkdownServices {
  return useChatServices().markdown;
}

/** The notebooks of the page; null where there can be none. */
export function useWorkspace(): Workspace | null {
  return useMarkdownServices().workspace;
}

/** A store's state; a new state draws the component again. */
export function useStore<State>(store: Pick<Store<State>, 'getState' | 'subscribe'>): State {
  return useSyncExternalStore(store.subscribe, store.getState);
}

/** What a person has set for all chats. */
export function usePreferences(client: ThreadClient): PreferenceValues {
  return useStore(client.preferences);
}

export function useThread(client: ThreadClient): ThreadState {
  return useStore(client);
}

/** The edit of a question; null while nobody edits it. */
export function useEdit(client: ThreadClient, messageId: string): QuestionEdit | null {
  const { branching } = client;
  return useSyncExternalStore(branching.subscribe, () => branching.edit(messageId));
}

/** The models of the page. */
export function useModels(client: ThreadClient, areWanted = true): ModelsState {
  const { models } = client;
  useEffect(() => {
    if (areWanted && models.getState().list === null) {
      void models.load();
    }
  }, [models, areWanted]);
  return useStore(models);
}

/**
 * The present time. While the chat can be seen, the component is drawn again after each pace.
 *
 * `at`: the time that the component tells; null if it tells none, and is not drawn again. `paceAt`: the
 * pace in ms for such a time; null for no further drawing.
 */
export function useNow(
  at: string | null,
  paceAt: (at: string | null, now_ms: number) => number | null = paceOf
): number {
  const { ticker, visibility } = useChatServices();
  const isSeen = useStore(visibility);
  const [now_ms, setNow] = useState(() => ticker.now);
  const pace_ms = isSeen ? paceAt(at, now_ms) : null;
  useLayoutEffect(() => {
    if (at !== null && isSeen) {
      // While the chat was out of sight, this state was not updated.
      // eslint-disable-next-line react-hooks/set-state-in-effect
      setNow(ticker.now);
    }
  }, [ticker, at, isSeen]);
  useEffect(
    () => (pace_ms === null ? undefined : ticker.listen(pace_ms, setNow)),
    [ticker, pace_ms]
  );
  return now_ms;
}

/** Whether the chat has been on the screen since it was drawn. */
export function useHasBeenSeen(): boolean {
  const { visibility } = useChatServices();
  const isSeen = useStore(visibility);
  const [hasBeenSeen, setSeen] = useState(isSeen);
  if (isSeen && !hasBeenSeen) {
    setSeen(true);
  }
  return hasBeenSeen;
}

/** Whether `value` has been true for `delay_ms`, so that short breaks are not shown. */
export function useLasting(value: boolean, delay_ms: number): boolean {
  const [isLasting, setLasting] = useState(false);
  useEffect(() => {
    if (!value) {
      return undefined;
    }
    const timer = setTimeout(() => setLasting(true), delay_ms);
    return () => {
      clearTimeout(timer);
      setLasting(false);
    };
  }, [value, delay_ms]);
  return value && isLasting;
}

/** Scroll an option of a list into view when it becomes the active one; returns its ref. */
export function useShownIf(isActive: boolean): RefObject<HTMLDivElement> {
  const node = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (isActive) {
      node.current?.scrollIntoView({ block: 'nearest' });
    }
  }, [isActive]);
  return node;
}
