// What a cell's metadata keeps of the chats that it showed.
import { describe, expect, it } from 'vitest';

import { anchorOf, chatsIn, chatsOf } from '../../src/cells/anchors';
import { StoredAnchors } from '../../src/cells/stored-anchors';
import { MIME_TYPE } from '../../src/protocol/address';

const shown = (address: object, type = 'display_data') => ({
  type,
  data: { [MIME_TYPE]: address }
});

describe('an anchor', () => {
  it('names the chats of the outputs, and is read as it was written', () => {
    const chats = chatsIn([
      shown({ thread: 't' }),
      shown({ thread: 't', run: 'r' }, 'execute_result'),
      shown({ thread: '' }),
      shown({ thread: 'of a stream' }, 'stream')
    ]);
    expect(chats).toEqual([
      { threadId: 't', runId: null },
      { threadId: 't', runId: 'r' }
    ]);
    expect(anchorOf(chats)).toEqual({ chats: [{ thread: 't' }, { thread: 't', run: 'r' }] });
    expect(chatsOf(anchorOf(chats))).toEqual(chats);
  });

  it('is bounded, and nothing else in its place is taken for one', () => {
    const many = Array.from({ length: 50 }, (_, n) => ({ threadId: `t${n}`, runId: null }));
    expect(anchorOf(many).chats).toHaveLength(20);
    expect(anchorOf(many).chats.at(-1)).toEqual({ thread: 't49' });
    for (const other of [undefined, null, 7, 'x', [], { chats: 'x' }, { chats: [null, 7, {}] }]) {
      expect(chatsOf(other)).toEqual([]);
    }
    expect(chatsOf({ chats: [{ thread: 'x'.repeat(1000) }] })).toEqual([]);
  });

  it('is kept by the browser for the newest cells, and forgotten on demand', () => {
    const anchors = new StoredAnchors(() => window.localStorage);
    const anchor = { chats: [{ thread: 't' }] };
    for (let n = 0; n < 120; n += 1) {
      anchors.save('a.ipynb', `c${n}`, anchor);
    }
    expect(anchors.load('a.ipynb', 'c10')).toBeUndefined();
    expect(anchors.load('a.ipynb', 'c119')).toEqual(anchor);
    expect(anchors.load('b.ipynb', 'c119')).toBeUndefined();
    anchors.save('a.ipynb', 'c119', null);
    expect(anchors.load('a.ipynb', 'c119')).toBeUndefined();
    window.localStorage.setItem('jupyter-chat-stream:anchors', '{"broken');
    expect(anchors.load('a.ipynb', 'c118')).toBeUndefined();
    const refusing = new StoredAnchors(() => {
      throw new Error('denied');
    });
    refusing.save('a', 'c', anchor);
    expect(refusing.load('a', 'c')).toBeUndefined();
  });
});
