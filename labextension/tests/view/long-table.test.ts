import { describe, expect, it, vi } from 'vitest';

import * as parser from '../../src/markdown/parser';
import { drawn } from '../drawn';

vi.mock('../../src/markdown/parser', async load => {
  const real = await load<typeof parser>();
  return { ...real, blocksOf: vi.fn(real.blocksOf) };
});

/** The longest text that the parser read at once while this text was drawn. */
async function longestRead(text: string): Promise<number> {
  vi.mocked(parser.blocksOf).mockClear();
  await drawn(text);
  return Math.max(...vi.mocked(parser.blocksOf).mock.calls.map(([source]) => source.length));
}

describe('a table of more cells than the parser fills up', () => {
  const columns = 30;
  const head = `${'| h '.repeat(columns)}|\n${'|---'.repeat(columns)}|\n`;

  it('is read in pieces while its rows are whole', async () => {
    const text = head + `${'| 1 '.repeat(columns)}|\n`.repeat(2_200);
    expect(await longestRead(text)).toBeLessThan(40_000);
  }, 60_000);

  it('is read in pieces when an escaped mark stands in its cells', async () => {
    const text = head + `${'| \\| '.repeat(columns)}|\n`.repeat(2_200);
    expect(await longestRead(text)).toBeLessThan(40_000);
  }, 60_000);
});
