import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';

import { inlineNodes } from '../src/markdown/inline';
import { blocksOf, newEnv, noDefinitions } from '../src/markdown/parser';
import { withoutUndecidedEnd } from '../src/view/undecided-end';
import { IncrementalMarkdown } from '../src/view/markdown';
import { SUPPRESS_SHORTCUTS } from '../src/view/keys';
import { drawn, stage } from './drawn';
import { ENGLISH } from './fakes';

/** A small generator of numbers: the same ones each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return below => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const PIECES = [
  'word ',
  'two words\n',
  '\n\n',
  '\n',
  '- item\n',
  '  - inner\n',
  '1. one\n',
  '3. three\n',
  '> quote\n',
  '> - in it\n',
  '# Head\n',
  '===\n',
  '---\n',
  '```py\ncode\n',
  '```\n',
  '~~~\n',
  '    indented\n',
  '| a | b |\n',
  '|---|:-:|\n',
  '| 1 | $2 | 3 |\n',
  '**bold** ',
  '**open ',
  '*em* ',
  '_under_ ',
  '~~gone~~ ',
  '`code` ',
  '`` a`b `` ',
  '`open ',
  '[a](https://b.c) ',
  '[a] ',
  '[b][a] ',
  '[a]: https://x.y "t"\n',
  '[^1] ',
  '[^1]: note\n',
  '![p](https://p.q/r.png) ',
  '<details>\n',
  '<summary>Sum</summary>\n',
  '</details>\n',
  '<sub>2</sub> ',
  '<kbd>',
  '</kbd>',
  '<br>',
  '<table>\n<tr><td>x</td></tr>\n',
  '</table>\n',
  '<your-key> ',
  'List<int> ',
  '$x$ ',
  '$5 ',
  '$$\ny\n$$\n',
  '$$z$$ ',
  '\\(a\\) ',
  '\\[\nb\n\\]\n',
  '\\$ ',
  '- [ ] task\n',
  '- [x] done\n',
  'https://a.b/c_d ',
  'www.a.b ',
  '&amp; ',
  '\\',
  '<',
  '&',
  '重要：**请** ',
  'مرحبا ',
  '\t',
  '  ',
  '\r\n',
  '😀'
];

const ROWS = [
  '| a | b |',
  '| 1 |',
  '| x | y | z |',
  'no bar',
  '|  |  |',
  '|',
  '  | in | dented |',
  '| \\| | `a \\| b` |',
  '| [later] | [^n] |',
  '| سطر | صف |',
  '| **open | close** |',
  '| $1 | $2 |',
  '|---|---|',
  '> | q | r |'
];
const AROUND = ['', 'Before\n', '- item\n\n', '> quote\n\n', '\r\n', '# Head\n', '<details>\n\n'];
const BEHIND = ['', '\nafter', '\n\n[later]: /x\n', '\n\n[^n]: note\n', '\n- item', '\n```\ncode'];

/** A table of random rows, with something before and after it. */
function tableOf(seed: number): string {
  const next = numbers(seed);
  const pick = (of: readonly string[]): string => of[next(of.length)] ?? '';
  const end = pick(['\n', '\n', '\r\n', '\r']);
  const head = pick(['| h | k |', '| 1 | 2 |', ' | h | k |', 'h | k', '| رأس | 1 |']);
  const rows = Array.from({ length: next(24) }, () => pick(ROWS));
  return pick(AROUND) + [head, '|---|:-:|', ...rows].join(end) + pick(BEHIND);
}

/** A document of random pieces; words are numbered, so that each is known. */
function documentOf(seed: number): string {
  const next = numbers(seed);
  const length = 3 + next(30);
  return Array.from({ length }, () => PIECES[next(PIECES.length)] ?? '').join('');
}

function cutsOf(text: string, seed: number): number[] {
  const next = numbers(seed);
  return Array.from({ length: next(9) }, () => next(text.length + 1)).sort((a, b) => a - b);
}

/** What stands on the page, without what only says where the cursor is. */
function htmlOf(host: HTMLElement): string {
  return host.innerHTML;
}

describe('a text that grows', () => {
  it('is drawn from any pieces as it is drawn from the whole', async () => {
    for (let seed = 1; seed <= 1_500; seed += 1) {
      const text = documentOf(seed);
      const cuts = cutsOf(text, seed + 7);
      const whole = htmlOf(await drawn(text));
      expect(htmlOf(await drawn(text, cuts)), JSON.stringify({ text, cuts })).toBe(whole);
    }
  }, 60_000);

  it('is drawn character by character as it is drawn from the whole', async () => {
    for (let seed = 5_001; seed <= 5_060; seed += 1) {
      const text = documentOf(seed);
      const cuts = Array.from({ length: text.length }, (_, cut) => cut);
      expect(htmlOf(await drawn(text, cuts)), JSON.stringify(text)).toBe(htmlOf(await drawn(text)));
    }
  }, 60_000);

  it('draws a table row by row as it draws it whole', async () => {
    for (let seed = 20_001; seed <= 20_600; seed += 1) {
      const text = tableOf(seed);
      const cuts = seed % 10 === 0 ? [...text].map((_, cut) => cut) : cutsOf(text, seed + 7);
      const whole = htmlOf(await drawn(text));
      expect(htmlOf(await drawn(text, cuts)), JSON.stringify({ text, cuts })).toBe(whole);
    }
  }, 60_000);

  it('fills up short rows of a growing table as far as of a whole one', async () => {
    const head = `${'| h '.repeat(40)}|\n${'|---'.repeat(40)}|\n`;
    const text = `${head}${'| a |\n'.repeat(1_900)}`;
    const cuts = Array.from({ length: 20 }, (_, cut) => (cut + 1) * 600);
    expect(htmlOf(await drawn(text, cuts))).toBe(htmlOf(await drawn(text)));
  }, 60_000);

  it('reads a row of a growing table a few times, and not with each row that comes', async () => {
    const { services, markdown } = stage();
    let text = '| name | value |\n|---|---|\n';
    const read = vi.spyOn(String.prototype, 'replace');
    const lengths: number[] = [];
    for (let row = 0; row < 400; row += 1) {
      text += `| row ${row} | ${row} |\n`;
      markdown.update(text, false);
      await services.rest();
      lengths.push(Math.max(...read.mock.contexts.map(one => String(one).length)));
      read.mockClear();
    }
    read.mockRestore();
    expect(Math.max(...lengths)).toBeLessThan(1_000);
  });

  it('is drawn from any pieces as the shared vectors are drawn whole', async () => {
    const folder = join(__dirname, '..', '..', 'tests', 'vectors', 'markdown');
    const next = numbers(3);
    for (const file of readdirSync(folder).filter(name => name.endsWith('.json'))) {
      const vectors = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { source: string }[];
      for (const { source } of vectors) {
        const cuts = cutsOf(source, next(1_000_000));
        expect(htmlOf(await drawn(source, cuts)), source).toBe(htmlOf(await drawn(source)));
      }
    }
  }, 60_000);

  it('shows every word once, and nothing that was not said', async () => {
    for (let seed = 9_001; seed <= 9_600; seed += 1) {
      let count = 0;
      const text = documentOf(seed).replace(
        /word|words|item|inner|quote|code|bold|open/g,
        () => `w${(count += 1)}x`
      );
      const host = await drawn(text, cutsOf(text, seed));
      host.querySelectorAll('.jp-ChatStream-copy').forEach(button => button.remove());
      const shown = host.textContent ?? '';
      // A fence's language and a reference's definition are marks; a footnote's label is shown again.
      const words = [...text.matchAll(/w\d+x/g)].map(([word]) => word);
      expect(shown.match(/w\d+x/g) ?? [], JSON.stringify(text)).toEqual(words);
      const known = new Set(text + '&');
      expect(
        [...shown].filter(character => !known.has(character)),
        JSON.stringify(text)
      ).toEqual([]);
    }
  }, 60_000);

  it('keeps the nodes of what did not change', async () => {
    const { host, services, markdown } = stage();
    markdown.update('First.\n\n- one\n- two', false);
    await services.rest();
    const [first, list] = host.children;
    const item = list?.firstElementChild;
    markdown.update('First.\n\n- one\n- two and more\n- three', false);
    await services.rest();
    expect(host.children[0]).toBe(first);
    expect(host.children[1]).toBe(list);
    expect(list?.firstElementChild).toBe(item);
    expect(list?.children.length).toBe(3);
  });

  it('reads only the end of a long text again', async () => {
    const { services, markdown } = stage();
    const paragraph = 'A few words in a paragraph.\n\n';
    markdown.update(paragraph.repeat(2_000), false);
    await services.rest();
    services.tick_ms = 1;
    markdown.update(`${paragraph.repeat(2_000)}One`, false);
    expect(await services.rest()).toBeLessThan(6);
  });

  it('draws a long text in many frames, and all of it', async () => {
    const { host, services, markdown } = stage();
    const lines = Array.from({ length: 4_000 }, (_, line) => `Line ${line} of the text.`);
    services.tick_ms = 0.5;
    markdown.update(lines.join('\n\n'), true);
    expect(await services.rest(20_000)).toBeGreaterThan(50);
    expect(host.querySelectorAll('p').length).toBe(4_000);
    expect([...host.querySelectorAll('p')].at(-1)?.textContent).toBe('Line 3999 of the text.');
  });

  it('lays out a group of ended blocks only when it is seen, and no other block', async () => {
    const lines = Array.from({ length: 110 }, (_, line) => `Line ${line}.`);
    const { host, services, markdown } = stage();
    markdown.update(`${lines.join('\n\n')}\n`, false);
    await services.rest();
    const groups = [...host.querySelectorAll('.jp-ChatStream-group')];
    expect(groups.map(({ children }) => children.length)).toEqual([32, 32, 6]);
    expect(groups.map(({ classList }) => classList.contains('jp-mod-spared'))).toEqual([
      true,
      true,
      false
    ]);
    expect(host.querySelectorAll(':scope > p').length).toBe(40);
  });

  it('draws a long table in several, which the browser lays out one by one', async () => {
    const rows = Array.from({ length: 5_000 }, (_, row) => `| ${row} | b |`);
    const text = `| h | k |\n|---|---|\n${rows.join('\n')}\n`;
    const host = await drawn(text, [10_000, 30_000, 50_000]);
    const tables = [...host.querySelectorAll('.jp-ChatStream-table > table')];
    expect(tables.map(table => table.querySelectorAll('tbody > tr').length)).toEqual([
      2_000, 2_000, 1_000
    ]);
    const first = [...host.querySelectorAll('td:first-child')].map(cell =>
      Number(cell.textContent)
    );
    expect(first).toEqual([...rows.keys()]);
    expect(host.innerHTML).toBe((await drawn(text)).innerHTML);
  });

  it('keeps a long table in HTML in one, because its cells may span rows', async () => {
    const rows = '<tr><td>a</td><td>b</td></tr>\n'.repeat(3_000);
    const host = await drawn(
      `<table><tbody>${rows}</tbody><tfoot><tr><td>c</td></tr></tfoot></table>`
    );
    expect(host.querySelectorAll('table').length).toBe(1);
  });

  it('stops when it is disposed', async () => {
    const { host, services, markdown } = stage();
    markdown.update('One.\n\nTwo.', false);
    markdown.dispose();
    await services.rest();
    expect(host.textContent).toBe('');
  });

  it('typesets a formula once, however often its paragraph grows', async () => {
    const { services, markdown } = stage();
    for (const text of ['So $x$', 'So $x$ is', 'So $x$ is $y$.']) {
      markdown.update(text, text.endsWith('.'));
      await services.rest();
    }
    expect(services.formulas).toEqual(['$x$', '$y$']);
  });

  it('colours code once, when its block has ended', async () => {
    const { services, markdown } = stage();
    for (const text of ['```py\na = 1\n', '```py\na = 1\n```\n', '```py\na = 1\n```\n\nEnd\n']) {
      markdown.update(text, false);
      await services.rest();
    }
    expect(services.coloured).toEqual(['a = 1']);
  });

  it('says when a paragraph is too long to be read as Markdown, and shows all of it', async () => {
    const text = `**${'a'.repeat(30_000)}**`;
    const host = await drawn(text, [10, 15_000, 25_000]);
    expect(host.querySelector('.jp-ChatStream-note')?.textContent).toContain('20,000');
    host.querySelector('.jp-ChatStream-note')?.remove();
    expect(host.textContent).toBe(text);
  });

  it('shows a paragraph of too many marks as its text', async () => {
    const text = '`a` '.repeat(1_600).trim();
    const host = await drawn(text, [10, 3_000, 5_000]);
    expect(host.querySelector('.jp-ChatStream-note')?.textContent).toContain('3,000 marks');
    expect(host.querySelector('.jp-ChatStream-long')?.textContent).toContain(text);
    expect((await drawn('`a` '.repeat(1_400))).querySelectorAll('code').length).toBe(1_400);
  });

  it('shows a formula beyond measure as its text', async () => {
    const lines = Array.from({ length: 3_000 }, (_, line) => `x_{${line}} +`);
    const text = `$$\n${lines.join('\n')}\n0\n$$`;
    const host = await drawn(text, [50, 10_000, 25_000]);
    expect(host.querySelector('.jp-ChatStream-note')).not.toBeNull();
    host.querySelector('.jp-ChatStream-note')?.remove();
    expect(host.textContent).toBe(text);
  });

  it('shows all of a long code block', async () => {
    const code = Array.from({ length: 30_000 }, (_, line) => `line ${line}`).join('\n');
    const host = await drawn(`\`\`\`\n${code}\n\`\`\``, [100, 50_000, 70_001]);
    expect(host.querySelector('code')?.textContent).toBe(code);
  });

  it('resolves a reference that is defined after its use', async () => {
    const host = await drawn('See [it][1].\n\n[1]: https://example.org\n', [12, 20, 40]);
    expect(host.querySelector('a')?.href).toBe('https://example.org/');
  });

  it('keeps the first of two definitions, also when the first one is still growing', async () => {
    const text = '[a]: https://one.example/long\n\n[a]: https://two.example\n\n[a]\n';
    const host = await drawn(text, [14, 20, 31, 45, 60]);
    expect(host.querySelector('a')?.href).toBe('https://one.example/long');
  });
});

describe('what is held back', () => {
  it('is the head of a table, a tag without its end, and a mark', () => {
    expect(withoutUndecidedEnd('Text\n| a | b |')).toBe('Text');
    expect(withoutUndecidedEnd('Text\n| a | b |\n|--')).toBe('Text');
    expect(withoutUndecidedEnd('a <deta')).toBe('a ');
    expect(withoutUndecidedEnd('a **')).toBe('a ');
    expect(withoutUndecidedEnd('a < b and more')).toBe('a < b and more');
    expect(withoutUndecidedEnd(`a <b${' c'.repeat(200)}`)).toBe(`a <b${' c'.repeat(200)}`);
  });
});

/** Every element and attribute in a drawn answer is one that our drawing makes. */
function expectOurs(host: HTMLElement, source: string): void {
  const ours = ['dir', 'open', 'colspan', 'rowspan', 'align', 'start', 'role', 'aria-label'];
  const known = [...ours, 'tabindex', 'type', 'disabled', 'data-testid', SUPPRESS_SHORTCUTS];
  for (const node of host.querySelectorAll('*')) {
    expect(DRAWN, source).toContain(node.localName);
    for (const { name, value } of node.attributes) {
      const isLink = ['href', 'target', 'rel', 'title'].includes(name) && node.localName === 'a';
      const isPicture = ['src', 'alt'].includes(name) && node.localName === 'img';
      const isClass =
        name === 'class' &&
        /^(jp-ChatStream-\w+|jp-mod-(tight|display|task|spared)| )+$/.test(value);
      const isSize = name === 'style' && /^--jp-chat-lines: \d+;$/.test(value);
      const isFine = known.includes(name) || isLink || isPicture || isClass || isSize;
      expect(isFine, `${name}=${value} of ${source}`).toBe(true);
      expect(/^href$/.test(name) && !/^(https?:|mailto:)/.test(value), source).toBe(false);
      expect(name === 'src' && !/^data:image\//.test(value), source).toBe(false);
    }
  }
}

const DRAWN = (
  'a b blockquote br button caption code del details div em h1 h2 h3 h4 h5 h6 hr i img input ins ' +
  'kbd li mark ol p pre q s samp section small span strong sub summary sup table tbody td tfoot th ' +
  'thead tr u ul var wbr'
).split(' ');

describe('what is drawn', () => {
  const HOSTILE = [
    '<script>window.isCaught = 1</script>',
    '<img src=x onerror="window.isCaught = 2">',
    '<a href="javascript:window.isCaught=3">x</a>',
    '[x](javascript:window.isCaught=4) [y](  JaVaScRiPt&#58;alert(1)) [z](data:text/html,x)',
    '![p](https://evil.example/p.png) ![q](data:image/svg+xml;base64,AAAA)',
    '<details class="jp-Dialog" style="position:fixed" ontoggle="x()" open><summary id=a>s</summary></details>',
    '<sub class="jp-mod-user" data-commandlinker-command="x">a</sub>',
    '<table class="dataframe" style="position:fixed"><tr><td onclick="x()" colspan=2>a</td></tr></table>',
    '<button data-commandlinker-command="apputils:run-all">Copy</button>'
  ].join('\n\n');

  it('has no element, attribute, class or style that the answer chose', async () => {
    const host = await drawn(HOSTILE);
    const names = new Set([...host.querySelectorAll('*')].map(node => node.localName));
    names.delete('section');
    expect([...names].sort()).toEqual(
      ['a', 'details', 'div', 'p', 'sub', 'summary', 'table', 'td', 'tr'].sort()
    );
    expectOurs(host, HOSTILE);
    expect(host.querySelector('a[href^="javascript"], a[href^="data"]')).toBeNull();
    expect(host.textContent).toContain('<script>window.isCaught = 1</script>');
  });

  it('is made of our own elements, classes and attributes, whatever the hostile corpus tries', async () => {
    const file = join(__dirname, '..', '..', 'tests', 'corpus', 'hostile.json');
    const corpus = JSON.parse(readFileSync(file, 'utf8')) as string[];
    expect(corpus.length).toBeGreaterThan(1_000);
    for (const source of corpus) {
      const host = await drawn(source, [Math.floor(source.length / 2)]);
      expectOurs(host, source);
    }
  }, 60_000);

  it('opens links elsewhere, and keeps the keys of all that can be focused', async () => {
    const host = await drawn(
      '[a](https://b.c) <details>\n\n<details>\nx\n</details>\n\n`c`\n\n```\nd\n```'
    );
    const link = host.querySelector('a');
    expect([link?.target, link?.rel]).toEqual(['_blank', 'noopener noreferrer']);
    const focusable = 'a, summary, pre, button, [tabindex]';
    host.querySelectorAll(focusable).forEach(node => {
      expect(node.hasAttribute(SUPPRESS_SHORTCUTS)).toBe(true);
    });
  });

  it('shows a picture that needs no fetching, and a link for any other', async () => {
    const host = await drawn('![a](data:image/png;base64,AAAA) ![chart](https://e.f/g.png)');
    expect(host.querySelectorAll('img').length).toBe(1);
    expect(host.querySelector('a')?.textContent).toBe('chart');
  });

  it('runs each block in its own direction, and code from left to right', async () => {
    const host = await drawn('# ملخص\n\nText\n\n- البند `code` x\n\n> مرحبا\n\n```\nx\n```');
    expect([...host.children].map(node => node.getAttribute('dir'))).toEqual([
      'auto',
      'auto',
      'rtl',
      'rtl',
      null
    ]);
    expect(host.querySelector('pre')?.dir).toBe('ltr');
    expect(host.querySelector('li code')?.getAttribute('dir')).toBe('ltr');
  });
});

describe('what goes wrong', () => {
  it('shows a text that cannot be drawn as plain text, and keeps drawing the others', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const { host, services, markdown } = stage();
    const other = document.createElement('div');
    const failing = {
      ...services,
      frames: services.frames,
      language: ENGLISH,
      mayLead: () => failed()
    };
    const broken = new IncrementalMarkdown(host, failing);
    const whole = new IncrementalMarkdown(other, services);
    const failed = (): never => {
      throw new Error('This sanitizer does not work.');
    };
    broken.update('One [two](https://a.b) three', false);
    whole.update('**Bold** [two](https://a.b)', true);
    await services.rest();
    broken.update('One [two](https://a.b) three four', true);
    await services.rest();
    expect(host.textContent).toContain('the page failed to draw this answer');
    expect(host.textContent).toContain('One [two](https://a.b) three four');
    expect(other.innerHTML).toContain('<strong>Bold</strong>');
    markdown.dispose();
  });

  it('draws half a character in an address', async () => {
    const host = await drawn('See www.a.b/\ud83d now');
    expect(host.querySelector('a')?.getAttribute('href')).toBe('http://www.a.b/%EF%BF%BD');
  });

  it.each([
    ['tables that never end, in a quote', '> <table>\n'.repeat(10_000)],
    ['tables that never end, in a fold', '<details>\n' + '<table>\n'.repeat(10_000)]
  ])('reads %s in a time that grows with their length', (_name, text) => {
    const begun = performance.now();
    blocksOf(text, newEnv(noDefinitions(), false));
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  it.each([
    ['addresses without a domain', 'https://_'.repeat(2_200)],
    ['emphasis in emphasis', '*a '.repeat(3_300) + 'a* '.repeat(3_300)]
  ])('reads %s in a time that grows with their length', (_name, text) => {
    const begun = performance.now();
    inlineNodes(text, newEnv(noDefinitions(), false));
    expect(performance.now() - begun).toBeLessThan(400);
  });
});
