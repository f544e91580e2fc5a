import { describe, expect, it } from 'vitest';

import { inlineNodes } from '../../src/markdown/inline';
import { blocksOf, newEnv, noDefinitions } from '../../src/markdown/parser';
import { drawn } from '../drawn';

describe('what is beyond measure', () => {
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
