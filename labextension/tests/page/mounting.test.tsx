import { act } from 'react';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { type ChatPage, ViewLoader, mountChat } from '../../src/page/mounting';
import * as view from '../../src/view/mount';
import { conversation, flushPromises } from '../fakes';
import { SHOWN, arrive, chat as staged, host as stage, page, services, useStage } from '../stage';

useStage();

/** A load of the view that the test ends. */
class FakeLoad {
  calls = 0;
  end: (view: typeof import('../../src/view/mount') | Error) => void = () => undefined;
  readonly loader = new ViewLoader(() => {
    this.calls += 1;
    return new Promise((resolve, reject) => {
      this.end = ended => (ended instanceof Error ? reject(ended) : resolve(ended));
    });
  });
}

let load: FakeLoad;
let host: HTMLElement;
let chatPage: ChatPage;
const warn = console.warn;

beforeEach(() => {
  load = new FakeLoad();
  host = document.createElement('div');
  document.body.append(host);
  chatPage = { threads: page.threads, services, ticker: page.ticker };
  console.warn = () => undefined;
});

afterEach(() => {
  host.remove();
  console.warn = warn;
});

async function ends(result: typeof view | Error): Promise<void> {
  await act(async () => {
    load.end(result);
    await flushPromises();
  });
}

const texts = (node: HTMLElement) =>
  [...node.querySelectorAll('article')].map(({ textContent }) => textContent);

describe('A chat whose view is loaded later', () => {
  it('follows its thread at once and draws what has arrived when the view comes', async () => {
    const late = mountChat(host, chatPage, load.loader);
    late.show(SHOWN);
    expect(host.textContent).toBe('Opening the chat…');
    await arrive(conversation());
    await ends(view);
    await act(async () => {
      staged.show(SHOWN);
      await flushPromises();
    });
    expect(texts(host).length).toBe(2);
    expect(texts(host)).toEqual(texts(stage));
    expect(host.textContent).not.toContain('Opening the chat…');
    await act(async () => late.dispose());
    expect(host.querySelector('article')).toBeNull();
  });

  it('draws only what was shown last, and nothing once it was disposed of', async () => {
    const late = mountChat(host, chatPage, load.loader);
    late.show({ ...SHOWN, threadId: 'other' });
    late.show(SHOWN);
    const gone = mountChat(document.createElement('div'), chatPage, load.loader);
    gone.show({ ...SHOWN, threadId: 'gone' });
    gone.dispose();
    await ends(view);
    expect(host.dataset['thread']).toBe('t');
    page.network.clock.turn(60_000);
    expect(page.threads.find('other')).toBeUndefined();
    expect(page.threads.find('gone')).toBeUndefined();
    expect(page.threads.find('t')).toBeDefined();
    await act(async () => late.dispose());
  });

  it('tells that the view could not be loaded, shows the saved copy, and tries again', async () => {
    const late = mountChat(host, chatPage, load.loader);
    late.show({ ...SHOWN, savedCopy: '**You**\n\n<b>hello</b>' });
    await ends(new Error('gone'));
    expect(host.textContent).toContain('could not load the chat');
    expect(host.querySelector('pre')?.textContent).toBe('**You**\n\n<b>hello</b>');
    host.querySelector<HTMLElement>('[data-testid=view-again]')?.click();
    expect(load.calls).toBe(2);
    expect(host.textContent).toBe('Opening the chat…');
    await arrive(conversation());
    await ends(view);
    expect(texts(host).length).toBe(2);
    await act(async () => late.dispose());
  });

  it('loads the view once for all chats, and later chats are drawn without a delay', async () => {
    const first = mountChat(host, chatPage, load.loader);
    first.show(SHOWN);
    await ends(view);
    const other = document.createElement('div');
    const second = mountChat(other, chatPage, load.loader);
    await act(async () => second.show(SHOWN));
    expect(load.calls).toBe(1);
    expect(other.querySelector('[data-testid=live]')).not.toBeNull();
    await act(async () => {
      first.dispose();
      second.dispose();
    });
  });
});
