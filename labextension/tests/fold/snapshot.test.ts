// @vitest-environment node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { snapshot } from '../../src/fold/snapshot';
import { EMPTY, type Transcript, fold } from '../../src/fold/transcript';
import { parseEvent } from '../../src/protocol/parse';
import { type Message } from '../../src/protocol/records';
import { conversation } from '../fakes';

function state(events: readonly object[]): Transcript {
  return fold(EMPTY, events.map(parseEvent));
}

/** Several exchanges after another, each with this answer. */
function long(count: number, answer: string): Transcript {
  const events: object[] = [];
  for (let index = 0; index < count; index += 1) {
    const more = conversation([answer]).slice(index === 0 ? 0 : 1);
    const text = JSON.stringify(more)
      .replace(/"(q|a|r)"/g, `"$1${index}"`)
      .replace(/"parent_id":null/, `"parent_id":${index === 0 ? 'null' : `"a${index - 1}"`}`);
    events.push(...(JSON.parse(text) as object[]));
  }
  return state(events.map((event, index) => ({ ...event, seq: index + 1 })));
}

interface Case {
  readonly name: string;
  readonly messages: readonly (Partial<Message> & {
    readonly content: string;
    readonly times: number;
  })[];
  readonly markdown: string;
  readonly plain: string;
}

const SHARED = join(__dirname, '..', '..', '..', 'tests', 'vectors', 'snapshots', 'cases.json');
const CASES = JSON.parse(readFileSync(SHARED, 'utf8')) as readonly Case[];

describe('a snapshot', () => {
  it.each(CASES)('is what the kernel writes: $name', ({ messages, markdown, plain }) => {
    const known = messages.map(({ content, times, parts: others = [], ...fields }, index) => {
      const parts = [...others, { kind: 'text', text: content.repeat(times) }];
      return { id: `m${index}`, parent_id: null, ...fields, parts } as unknown as Message;
    });
    const transcript = { ...EMPTY, seq: 1, messages: new Map(known.map(one => [one.id, one])) };
    expect(snapshot(transcript, 'all')).toEqual({ markdown, plain });
  });

  it('says who said what, in Markdown and plain', () => {
    expect(snapshot(state(conversation()), 'all')).toEqual({
      markdown: '**You**\n\nWhy?\n\n**demo/tour**\n\nBecause of it.',
      plain: 'You:\n\nWhy?\n\ndemo/tour:\n\nBecause of it.'
    });
  });

  it('is the same for the same conversation, whatever its ids, times and cursor are', () => {
    const other = JSON.stringify(conversation()).replace(/"(q|a|r|t)"/g, '"x$1"');
    const events = JSON.parse(other.replace(/2026/g, '2031')) as object[];
    expect(snapshot(state(events), 'all')).toEqual(snapshot(state(conversation()), 'all'));
  });

  it('marks what is not whole', () => {
    const running = snapshot(state(conversation().slice(0, 6)), 'all');
    expect(running?.markdown).toContain('*(still being written)*');
    const [end] = conversation().slice(-1);
    const stopped = [...conversation().slice(0, 6), { ...end, seq: 7, status: 'cancelled' }];
    expect(snapshot(state(stopped), 'all')?.markdown).toContain('Because\n\n*(stopped)*');
  });

  it('keeps the newest whole messages, 20 kB at most', () => {
    const text = snapshot(long(30, 'ä'.repeat(600)), 'all')?.markdown ?? '';
    expect(new TextEncoder().encode(text).length).toBeLessThanOrEqual(20_000);
    expect(text.startsWith('*(what came before is left out of this copy)*')).toBe(true);
    expect(text.endsWith('ä'.repeat(600))).toBe(true);
  });

  it('keeps the beginning of a message larger than that, cut between characters', () => {
    const text = snapshot(long(1, 'ä'.repeat(30_000)), 'all')?.markdown ?? '';
    expect(new TextEncoder().encode(text).length).toBeLessThanOrEqual(20_000);
    expect(text).toMatch(/ä\n\n…$/);
  });

  it('keeps the last exchange, or nothing, where the setting says so', () => {
    const transcript = long(3, 'so');
    expect(snapshot(transcript, 'last')?.markdown).toBe('**You**\n\nWhy?\n\n**demo/tour**\n\nso');
    expect(snapshot(transcript, 'none')?.markdown).not.toContain('Why?');
  });

  it('keeps one exchange for a run', () => {
    const copy = snapshot(long(3, 'so'), 'all', 'r1')?.markdown;
    expect(copy).toBe('**You**\n\nWhy?\n\n**demo/tour**\n\nso');
  });

  it('is left alone where the thread or the run is not known', () => {
    expect(snapshot(EMPTY, 'all')).toBeNull();
    expect(snapshot(long(1, 'so'), 'all', 'nobody')).toBeNull();
  });
});
