// @vitest-environment node
// Whether another page has a notebook open, so that its file is left alone (L17).
import { beforeEach, describe, expect, it, vi } from 'vitest';

import {
  OpenElsewhere,
  type PageChannel,
  type PageLocks
} from '../../src/workspace/open-elsewhere';
import { FakeClock, flushPromises } from '../fakes';

describe('whether another page has a notebook open', () => {
  /** The locks of a browser, by the number of pages that hold them. */
  class Locks implements PageLocks {
    readonly held = new Map<string, number>();
    async request(name: string, _options: object, whileHeld: () => Promise<void>): Promise<void> {
      this.held.set(name, (this.held.get(name) ?? 0) + 1);
      await whileHeld();
      this.held.set(name, (this.held.get(name) ?? 0) - 1);
    }
    async query(): Promise<{ held: readonly { name: string }[] }> {
      const held = [...this.held].filter(([, pages]) => pages > 0);
      return { held: held.map(([name]) => ({ name })) };
    }
  }

  /** Pages of one browser: each hears what the others say. */
  function pages(
    openIn: readonly (readonly string[])[],
    servers: readonly string[] = []
  ): readonly ((path: string) => Promise<boolean>)[] {
    return pagesOf(openIn, servers).map(elsewhere => path => elsewhere.has(path));
  }
  function pagesOf(
    openIn: readonly (readonly string[])[],
    servers: readonly string[] = []
  ): readonly OpenElsewhere[] {
    const listeners: ((event: { readonly data: unknown }) => void)[] = [];
    return openIn.map((open, index) => {
      const channel: PageChannel = {
        postMessage: data => listeners.forEach((hear, at) => at === index || hear({ data })),
        addEventListener: (_type, listener) => (listeners[index] = listener)
      };
      const options = {
        channel,
        locks,
        server: servers[index] ?? '/',
        isOpenHere: (path: string) => open.includes(path),
        running: async () => connected,
        localPath: (path: string) => path.replace('RTC:', ''),
        schedule: (action: () => void, delay_ms: number) => clock.later(action, delay_ms)
      };
      return new OpenElsewhere(options);
    });
  }
  let clock: FakeClock;
  let locks: Locks;
  let connected: readonly string[];
  beforeEach(() => {
    clock = new FakeClock();
    locks = new Locks();
    connected = [];
  });
  const answered = async (asked: Promise<boolean> | undefined): Promise<boolean | undefined> => {
    await flushPromises();
    clock.turn(400);
    return asked;
  };

  it('is what the other pages of this browser say', async () => {
    const [first] = pages([['mine.ipynb'], ['theirs.ipynb'], []]);
    expect(await answered(first?.('theirs.ipynb'))).toBe(true);
    expect(await answered(first?.('mine.ipynb'))).toBe(false);
  });

  it('is told to each of two calls that ask at the same time', async () => {
    const [first] = pages([[], ['theirs.ipynb']]);
    const asked = [first?.('theirs.ipynb'), first?.('theirs.ipynb')];
    expect(await Promise.all(asked.map(answered))).toEqual([true, true]);
    expect(await answered(first?.('mine.ipynb'))).toBe(false);
  });

  it('is so while the other page stands still and answers nothing (L17)', async () => {
    const [first, other] = pagesOf([[], []]); // the other one hears nothing
    other?.hold(['theirs.ipynb', 'b.ipynb']);
    expect(await answered(first?.has('RTC:theirs.ipynb'))).toBe(true);
    expect(await answered(first?.has('mine.ipynb'))).toBe(false);
    other?.hold(['b.ipynb', 'c.ipynb']); // it was closed
    await flushPromises();
    expect(await answered(first?.has('theirs.ipynb'))).toBe(false);
    expect(await answered(first?.has('b.ipynb'))).toBe(true);
    expect([...locks.held.values()]).toEqual([0, 1, 1]);
  });

  it('is found out without locks if the browser refuses them, and they are requested again', async () => {
    const refusal = new Error('SecurityError');
    const query = vi.spyOn(locks, 'query').mockRejectedValue(refusal);
    const request = vi.spyOn(locks, 'request').mockRejectedValueOnce(refusal);
    const [first, other] = pagesOf([[], ['theirs.ipynb']]);
    expect(await answered(first?.has('theirs.ipynb'))).toBe(true);
    expect(await answered(first?.has('mine.ipynb'))).toBe(false);
    other?.hold(['theirs.ipynb']);
    await flushPromises();
    other?.hold(['theirs.ipynb']);
    other?.hold(['theirs.ipynb']); // it is held now
    expect(request).toHaveBeenCalledTimes(2);
    query.mockRestore();
    request.mockRestore();
  });

  it('is not what the page of another server at this address says', async () => {
    const [first, other] = pagesOf([[], ['n.ipynb']], ['/user/a/', '/user/b/']);
    other?.hold(['n.ipynb']);
    expect(await answered(first?.has('n.ipynb'))).toBe(false);
  });

  it('is so if a page of another browser is connected to its kernel', async () => {
    connected = ['far.ipynb'];
    const [first] = pages([[]]);
    expect(await answered(first?.('far.ipynb'))).toBe(true);
    expect(await answered(first?.('RTC:far.ipynb'))).toBe(true);
    expect(await answered(first?.('near.ipynb'))).toBe(false);
  });
});
