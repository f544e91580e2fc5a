// @vitest-environment node
// The mark of the panel's icon while chats wait for an answer.
import { Signal } from '@lumino/signaling';
import { type Widget } from '@lumino/widgets';
import { expect, it } from 'vitest';

import { markAsking } from '../../src/panel/asking-mark';
import { Store } from '../../src/state/store';
import { type ListState } from '../../src/threads/list';
import { ENGLISH } from '../fakes';

class Asking extends Store<ListState> {
  constructor() {
    super({ asking: [] } as unknown as ListState);
  }

  set(count: number): void {
    this._set({ asking: Array.from({ length: count }) });
  }

  get isFollowed(): boolean {
    return this._listeners.size > 0;
  }
}

it('the icon tells how many chats wait, until the panel is disposed', () => {
  const list = new Asking();
  const title = { className: '', caption: '' };
  const disposed = new Signal<object, void>({});
  markAsking({ title, disposed } as unknown as Widget, list, ENGLISH.trans);
  list.set(2);
  expect(title).toEqual({
    className: 'jp-ChatStream-asking',
    caption: '2 chats wait for your answer'
  });
  list.set(0);
  expect(title.className).toBe('');
  expect(list.isFollowed).toBe(true);
  disposed.emit();
  expect(list.isFollowed).toBe(false); // else the list would ask the server for ever
});
