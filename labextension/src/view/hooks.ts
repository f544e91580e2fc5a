/** What the components share: the tools of the page, the state of a thread, a slow clock. */
import { createContext, useContext, useEffect, useState, useSyncExternalStore } from 'react';

import { type ThreadClient, type ThreadState } from '../model';
import { type MarkdownTools } from './markdown';

const Tools = createContext<MarkdownTools | null>(null);

export const ToolsProvider = Tools.Provider;

/** How Markdown is rendered on this page. */
export function useTools(): MarkdownTools {
  const tools = useContext(Tools);
  if (tools === null) {
    throw new Error('A chat is drawn outside of its ToolsProvider.');
  }
  return tools;
}

/** The thread's state; draws again when it is announced. */
export function useThread(client: ThreadClient): ThreadState {
  return useSyncExternalStore(client.subscribe, client.getState);
}

/** The time, drawn again each second while `isRunning`. */
export function useNow(isRunning: boolean): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!isRunning) {
      return undefined;
    }
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isRunning]);
  return now;
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
