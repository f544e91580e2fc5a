import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { SUPPRESS_SHORTCUTS } from '../../src/view/controls/keys';
import { drawn } from '../drawn';

/** Every element and attribute in a drawn answer is one that our drawing makes. */
function expectOurs(host: HTMLElement, source: string): void {
  const ours = ['dir', 'open', 'colspan', 'rowspan', 'align', 'start', 'role', 'aria-label'];
  const known = [...ours, 'tabindex', 'type', 'disabled', 'data-testid', SUPPRESS_SHORTCUTS];
  known.push('data-language'); // of a code block: a style shows it beside the buttons
  for (const node of host.querySelectorAll('*')) {
    if (node.closest('button.jp-ChatStream-codeButton > svg') !== null) {
      expectIcon(node, source);
      continue;
    }
    expect(DRAWN, source).toContain(node.localName);
    for (const { name, value } of node.attributes) {
      const isLink = ['href', 'target', 'rel', 'title'].includes(name) && node.localName === 'a';
      const isPicture = ['src', 'alt'].includes(name) && node.localName === 'img';
      const isClass =
        name === 'class' &&
        /^(jp-ChatStream-\w+|jp-mod-(tight|display|task|spared)| )+$/.test(value);
      const isSize = name === 'style' && /^--jp-chat-lines: \d+;$/.test(value);
      const isLabel = name === 'title' && node.localName === 'button';
      const isFine = known.includes(name) || isLink || isPicture || isClass || isSize || isLabel;
      expect(isFine, `${name}=${value} of ${source}`).toBe(true);
      expect(/^href$/.test(name) && !/^(https?:|mailto:)/.test(value), source).toBe(false);
      expect(name === 'src' && !/^data:image\//.test(value), source).toBe(false);
    }
  }
}

/** The icons of a code block's buttons are the only pictures that are not `img`. */
function expectIcon(node: Element, source: string): void {
  expect(['svg', 'path'], source).toContain(node.localName);
  for (const name of node.getAttributeNames()) {
    expect(['class', 'viewBox', 'aria-hidden', 'd'], source).toContain(name);
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
    const file = join(__dirname, '..', '..', '..', 'tests', 'corpus', 'hostile.json');
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
