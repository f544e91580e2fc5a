import { describe, expect, it, vi } from 'vitest';

import { IncrementalMarkdown } from '../../src/view/drawing/markdown';
import { drawn, stage } from '../drawn';
import { ENGLISH } from '../fakes';

describe('a drawing', () => {
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
  }, 60_000);

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
});
