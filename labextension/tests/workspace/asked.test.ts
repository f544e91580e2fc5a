import { describe, expect, it, vi } from 'vitest';

import { EMPTY } from '../../src/fold/transcript';
import { type Message } from '../../src/protocol/records';
import { Branching } from '../../src/thread/branching';
import { AskedPlaces } from '../../src/workspace/asked';
import { FakeDrafts } from '../fakes';

const PLACE = { path: 'a.ipynb', cellId: 'three' };

function blockOf(questionId: string): Element {
  const reply = document.createElement('article');
  reply.dataset['questionId'] = questionId;
  const block = document.createElement('pre');
  reply.append(block);
  return block;
}

describe('the cell that a question was about', () => {
  it('is that of each answer to it, also of one that was asked for again', () => {
    const places = new AskedPlaces();
    places.add('q', PLACE);
    expect(places.of(blockOf('q'))).toEqual(PLACE);
    expect(places.of(blockOf('q'))).toEqual(PLACE);
    expect(places.of(blockOf('other'))).toBeNull();
  });

  it('is that of an edited question too', () => {
    const places = new AskedPlaces();
    places.add('q', PLACE);
    places.copy('q', 'edited');
    places.copy('unknown', 'new');
    expect(places.of(blockOf('edited'))).toEqual(PLACE);
    expect(places.of(blockOf('new'))).toBeNull();
  });

  it('is told when the server has taken an edit, and not before', async () => {
    const question = {
      id: 'q',
      thread_id: 't',
      role: 'user',
      status: 'completed',
      parts: [{ kind: 'text', text: 'Why?' }],
      parent_id: null
    } as unknown as Message;
    const edited = vi.fn();
    const request = vi.fn().mockRejectedValueOnce(new Error('away'));
    request.mockResolvedValue({ message: { id: 'new' } });
    const branching = new Branching('t', {
      api: { request, upload: vi.fn(), download: vi.fn() },
      drafts: new FakeDrafts(),
      questions: { sending: () => () => undefined, onEdit: edited },
      transcript: () => EMPTY,
      setHead: () => Promise.resolve(true),
      stop: () => Promise.resolve(),
      onResult: () => undefined
    });
    branching.begin(question);
    branching.setText('q', 'Why not?');
    expect(await branching.send(question)).toBe(false);
    expect(edited).not.toHaveBeenCalled();
    expect(await branching.send(question)).toBe(true);
    expect(edited).toHaveBeenCalledExactlyOnceWith('q', 'new');
  });
});
