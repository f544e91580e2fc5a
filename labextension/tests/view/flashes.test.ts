import { describe, expect, it } from 'vitest';

import { stage } from '../drawn';

const ANSWER = `# A heading

Here is **bold text**, *demo: emphasis*, ***both*** and ~~struck~~ with \`code_span\` and \`\`a \` b\`\`.
An address: [the **manual**](https://example.org/a_b?c=d "Title") and ![a picture](https://example.org/x.png).

- [ ] an open task
- [x] a done task with __bold__
- **Term**: an explanation of \`x[0]\` and \`y\`
  1. inner *item*
  2. another

| Name | Value *of it* |
|---|---:|
| \`a\` | **1** |
| [b](https://example.org/) | 2 |

The formula $x_1^2 + y$ and \\(z\\), of $5 or $20, and snake_case or 5 * 3 or a*b.

$$
\\frac{a}{b}
$$

> A quote with **bold** and <sub>small</sub> text, R&amp;D &lt; <kbd>Ctrl</kbd> &copy; <https://a.b>

Title
-----

1. First:

   \`\`\`python
   def f(*args, **kwargs):
       return args[0] # * not a mark
   \`\`\`

2. Second

***

<details><summary>More of it</summary>

Hidden **text**

</details>

重要：**请注意**。 Text with \\*escaped\\* marks, an array[1] and [brackets] that are none! Ends here
`;

/** A short line of text: so many characters may be seen late. */
const MOST_LATE = 100;

/** What is seen, without blanks: their number may change while a text grows. */
function seen(host: HTMLElement): string {
  const copy = host.cloneNode(true) as HTMLElement;
  copy.querySelectorAll('button, .jp-ChatStream-note').forEach(one => one.remove());
  return (copy.textContent ?? '').replace(/\s+/g, '');
}

/** What is seen of a text after each of the cuts. */
async function frames(text: string, cuts: readonly number[]): Promise<string[]> {
  const { host, services, markdown } = stage();
  const found: string[] = [];
  for (const cut of cuts) {
    markdown.update(text.slice(0, cut), false);
    await services.rest();
    found.push(seen(host));
  }
  markdown.update(text, true);
  await services.rest();
  found.push(seen(host));
  return found;
}

/** What is seen although it does not stay, with the text before it. */
function flash(text: string, one: string, final: string): string[] {
  const at = [...one].findIndex((character, place) => character !== final[place]);
  return at < 0 ? [] : [`${text.slice(-24)} ⇒ ${one.slice(Math.max(0, at - 8), at + 16)}`];
}

const everyCut = (text: string): number[] => Array.from({ length: text.length + 1 }, (_, at) => at);

describe('an answer that grows', () => {
  it('never shows a mark that vanishes: all that is seen is the beginning of what stays', async () => {
    const shown = await frames(ANSWER, everyCut(ANSWER));
    const final = shown.at(-1) ?? '';
    expect(shown.flatMap((one, cut) => flash(ANSWER.slice(0, cut), one, final))).toEqual([]);
  });

  it('never shows one from random pieces either', async () => {
    const final = (await frames(ANSWER, [])).at(-1) ?? '';
    for (let seed = 1; seed <= 40; seed += 1) {
      const cuts = everyCut(ANSWER).filter(cut => (cut * 7_919 * seed + seed) % 97 < 9);
      const shown = await frames(ANSWER, cuts);
      const texts = [...cuts.map(cut => ANSWER.slice(0, cut)), ANSWER];
      expect(texts.flatMap((text, at) => flash(text, shown[at] ?? '', final))).toEqual([]);
    }
  }, 60_000);

  it('shows a text within a short line, though its mark never gets its other half', async () => {
    const openers =
      '** * __ ~~ ` `` [ ![ [a]( [a][ $ $$ \\( \\[ <b> <kbd> < & \\ ! [^1 | - 1. # ``` ~~~'.split(
        ' '
      );
    for (const opener of openers) {
      const text = `Before\n\n${opener}${'word '.repeat(80)}`;
      const cuts = everyCut(text).filter(cut => cut % 5 === 0);
      const shown = await frames(text, cuts);
      for (const [at, cut] of cuts.entries()) {
        const whole = (await frames(text.slice(0, cut), [])).at(-1) ?? '';
        const late = whole.length - (shown[at] ?? '').length;
        expect(late, JSON.stringify(text.slice(0, cut))).toBeLessThanOrEqual(
          opener === '|' ? 3 * MOST_LATE : MOST_LATE
        );
      }
    }
  }, 60_000);

  it('shows marks as they are written once they have had no other half for long', async () => {
    for (const opener of ['**', '*', '~~', '`', '<b>', '$x', '\\(']) {
      const text = `Before ${opener}${'word '.repeat(80)}`;
      const [grown = '', final = ''] = await frames(text, [text.length]);
      expect(grown).toBe(final);
    }
  });

  it('leads nowhere with a link whose address is not complete', async () => {
    const { host, services, markdown } = stage();
    markdown.update('A [link](https://example.org/pa', false);
    await services.rest();
    expect(host.querySelector('a')?.textContent).toBe('link');
    expect(host.querySelector('a')?.hasAttribute('href')).toBe(false);
    markdown.update('A [link](https://example.org/path)', false);
    await services.rest();
    expect(host.querySelector('a')?.getAttribute('href')).toBe('https://example.org/path');
  });
});
