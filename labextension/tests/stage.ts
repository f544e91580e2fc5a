// A chat mounted on a page that is not there, and what a person does to it.
import { act } from 'react';
import { afterEach, beforeEach } from 'vitest';

import { Frames } from '../src/view/drawing/frames';
import { type MarkdownServices } from '../src/view/drawing/markdown';
import { type MountedChat, type ShownChat, mountChat } from '../src/view/mount';
import { ENGLISH, FakePage, flushPromises } from './fakes';

declare global {
  // React asks for it in tests.
  var IS_REACT_ACT_ENVIRONMENT: boolean;
}

export const SHOWN: ShownChat = {
  threadId: 't',
  runId: null,
  savedCopy: null,
  isDisabled: false,
  height: null,
  place: 'output'
};

export let page: FakePage;
export let host: HTMLElement;
export let chat: MountedChat;
export let services: MarkdownServices;

/** Mounts a chat on a page for each test of the file that calls it. */
export function useStage(language = ENGLISH): void {
  beforeEach(() => {
    globalThis.IS_REACT_ACT_ENVIRONMENT = true;
    page = new FakePage();
    host = document.createElement('div');
    document.body.append(host);
    services = {
      typeset: () => undefined,
      colour: () => undefined,
      mayLead: () => true,
      language,
      workspace: null,
      frames: new Frames({
        now: () => 0,
        onFrame: action => queueMicrotask(action),
        afterPaint: action => action()
      })
    };
    chat = mountChat(host, { threads: page.threads, services, ticker: page.ticker });
  });

  afterEach(async () => {
    await act(async () => {
      chat.dispose();
      await flushPromises();
    });
    host.remove();
  });
}

export async function show(change: Partial<ShownChat> = {}): Promise<void> {
  await act(async () => {
    chat.show({ ...SHOWN, ...change });
    await flushPromises();
  });
}

/** The first `count` events of a conversation arrive, and a frame is drawn. */
export async function arrive(events: readonly object[], isLive = true): Promise<void> {
  await act(async () => {
    if (!page.network.connection.isOpen) {
      page.network.socket.open();
    }
    page.network.socket.receive({ op: 'events', thread: 't', events });
    if (isLive) {
      page.network.socket.receive({ op: 'live', thread: 't', seq: 0 });
    }
    page.frame();
    await flushPromises();
  });
}

export function part(testid: string): HTMLElement {
  const found = host.querySelector<HTMLElement>(`[data-testid=${testid}]`);
  if (found === null) {
    throw new Error(`There is no ${testid}.`);
  }
  return found;
}

export function has(testid: string): boolean {
  return host.querySelector(`[data-testid=${testid}]`) !== null;
}

export async function press(node: HTMLElement, init: KeyboardEventInit & { keyCode?: number }) {
  const event = new KeyboardEvent('keydown', { bubbles: true, cancelable: true, ...init });
  await act(async () => {
    node.dispatchEvent(event);
    await flushPromises();
  });
  return event;
}

export async function click(testid: string): Promise<void> {
  await act(async () => {
    part(testid).click();
    await flushPromises();
  });
}

export async function type(text: string, where = 'field'): Promise<void> {
  const field = part(where);
  await act(async () => {
    const set = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value')?.set;
    set?.call(field, text);
    field.dispatchEvent(new Event('input', { bubbles: true }));
    await flushPromises();
  });
}

export const end = (seq: number, status: string) => ({
  seq,
  type: 'finalized',
  thread_id: 't',
  at: 'x',
  run_id: 'r',
  message_id: 'a',
  status
});
