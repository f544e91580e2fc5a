/** What the server's answers are read as, whatever stands in them. */
import { describe, expect, it } from 'vitest';

import { parseFrame, parseModels } from '../src/parse';

describe('a field that holds no text', () => {
  it('is never shown as an object', () => {
    const { models } = parseModels({
      models: [{ id: 'a/b', label: { en: 'B' }, provider: ['a'] }],
      default: 'a/b'
    });
    expect(models).toEqual([
      { id: 'a/b', provider: '', label: 'a/b', canned: false, ready: true, error: null }
    ]);
    const frame = parseFrame('{"op": "closed", "thread": "t", "reason": {"deleted": true}}');
    expect(frame).toEqual({ op: 'closed', thread: 't', reason: '' });
  });
});
