// @vitest-environment node
import { expect, it } from 'vitest';

import { parseAddress } from '../../src/protocol/address';

it('reads addresses, and nothing else as one', () => {
  expect(parseAddress({ thread: 't' })).toEqual({ threadId: 't', runId: null });
  expect(parseAddress({ thread: 't', run: 'r', more: 1 })).toEqual({ threadId: 't', runId: 'r' });
  for (const other of [null, 't', [], {}, { thread: '' }, { thread: 7 }]) {
    expect(parseAddress(other)).toBeNull();
  }
});
