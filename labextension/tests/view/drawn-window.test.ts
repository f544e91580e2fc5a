import { describe, expect, it } from 'vitest';

import { DrawnWindow, NEAR } from '../../src/view/log/drawn-window';
import { storedPlace } from '../../src/view/log/places';

const ids = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `m${from + index}`);
const drawnOf = (drawn: DrawnWindow, all: readonly string[]) => all.filter(id => drawn.isDrawn(id));
const idle = () => ({ height: 100, isUsed: false });

describe('The window of a long thread', () => {
  it('draws the end at once, or what is around an opened message', () => {
    const all = ids(0, 2000);
    const atEnd = new DrawnWindow();
    atEnd.admit(all, null);
    expect(drawnOf(atEnd, all)).toEqual(ids(2000 - NEAR, 2000));
    const opened = new DrawnWindow();
    opened.admit(all, 'm1000');
    expect(drawnOf(opened, all)).toContain('m1000');
    expect(drawnOf(opened, all).length).toBeLessThan(30);
    const gone = new DrawnWindow();
    gone.admit(all, 'gone');
    expect(drawnOf(gone, all)).toEqual(ids(2000 - NEAR, 2000));
  });

  it('draws a message that arrives at the end, and leaves known ones as they are', () => {
    const drawn = new DrawnWindow();
    drawn.admit(ids(0, 100), null);
    drawn.admit(ids(0, 101), null);
    expect(drawn.isDrawn('m100')).toBe(true);
    expect(drawn.isDrawn('m10')).toBe(false);
  });

  it('draws what comes near the screen and tells only those messages', () => {
    const drawn = new DrawnWindow();
    const told: string[] = [];
    const all = ids(0, 100);
    drawn.admit(all, null);
    all.forEach(id => drawn.subscribe([id], () => told.push(id)));
    drawn.show(ids(40, 50), idle);
    expect(told).toEqual(ids(40, 50));
    drawn.show(ids(40, 50), idle);
    expect(told.length).toBe(10);
  });

  it('keeps a bounded number of drawn messages however far the reader scrolls', () => {
    const drawn = new DrawnWindow();
    const all = ids(0, 2000);
    drawn.admit(all, null);
    for (let top = 1990; top >= 0; top -= 5) {
      drawn.show(ids(top, top + 10), () => ({ height: 123, isUsed: false }));
    }
    const left = drawnOf(drawn, all);
    expect(left.length).toBeLessThan(100);
    expect(left).toEqual(expect.arrayContaining(ids(0, 10)));
    expect(drawn.heightOf('m1500')).toBe(123);
    expect(drawn.heightOf('m5')).toBeNull();
  });

  it('never undraws a message that the reader is using', () => {
    const drawn = new DrawnWindow();
    const all = ids(0, 2000);
    drawn.admit(all, null);
    for (let top = 1990; top >= 0; top -= 5) {
      drawn.show(ids(top, top + 10), id => ({ height: 1, isUsed: id === 'm1700' }));
    }
    expect(drawn.isDrawn('m1700')).toBe(true);
    expect(drawn.isDrawn('m1701')).toBe(false);
  });
});

describe('A stored place', () => {
  it('is there again, apart for each thread and view, until the reader is at the end', () => {
    const place = { messageId: 'm7', offset: -12, lastId: 'm9' };
    const store = storedPlace(() => window.sessionStorage, 't', 'panel');
    store.save(place);
    expect(storedPlace(() => window.sessionStorage, 't', 'panel').load()).toEqual(place);
    expect(storedPlace(() => window.sessionStorage, 't', 'tab').load()).toBeNull();
    expect(storedPlace(() => window.sessionStorage, 'u', 'panel').load()).toBeNull();
    store.save(null);
    expect(store.load()).toBeNull();
    expect(window.sessionStorage.length).toBe(0);
  });

  it('is the end where the storage is forbidden, broken or strange', () => {
    const forbidden = storedPlace(
      () => {
        throw new DOMException('no', 'SecurityError');
      },
      't',
      'panel'
    );
    forbidden.save({ messageId: 'a', offset: 0, lastId: 'a' });
    expect(forbidden.load()).toBeNull();
    for (const text of ['{', '7', 'null', '{"messageId":1}', '{"messageId":"a","lastId":"a"}']) {
      window.sessionStorage.setItem('jupyter-chat-stream:place:t:panel', text);
      expect(storedPlace(() => window.sessionStorage, 't', 'panel').load()).toBeNull();
    }
    window.sessionStorage.clear();
  });
});
