import { type TranslationBundle } from '@jupyterlab/translation';
import { describe, expect, it } from 'vitest';

import { languageOf } from '../src/text/language';
import { ENGLISH, conversation } from './fakes';
import { arrive, click, end, host, show, useStage } from './stage';

const MARKED = /^⟦.*⟧$/s;

/** A language in which each text is its English in brackets. */
function mark(text: string): string {
  return `⟦${text}⟧`;
}

const brackets: TranslationBundle = {
  ...ENGLISH.trans,
  __: (text: string, ...args: unknown[]) => mark(ENGLISH.trans.__(text, ...args)),
  _n: (one: string, many: string, count: number, ...args: unknown[]) =>
    mark(ENGLISH.trans._n(one, many, count, ...args))
};

const SAID = ['Why?', 'demo/tour', 'chat.schedule(…)', '×'];

/** Every text of the chat that a reader sees or hears, but for what was said in it. */
function textsShown(): readonly string[] {
  const found: string[] = [];
  const walker = document.createTreeWalker(host, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const isAnswer = node.parentElement?.closest('.jp-ChatStream-markdown, .jp-ChatStream-text');
    found.push(...(isAnswer ? [] : [node.textContent ?? '']));
  }
  for (const node of host.querySelectorAll('*')) {
    for (const name of ['aria-label', 'title', 'placeholder', 'alt']) {
      found.push(node.getAttribute(name) ?? '');
    }
  }
  return found.map(text => text.trim()).filter(text => text !== '' && !SAID.includes(text));
}

describe('a chat in another language', () => {
  useStage({ ...ENGLISH, trans: brackets });

  it('shows no text that bypasses the translator', async () => {
    await show();
    await arrive(conversation().slice(0, 4));
    await click('later');
    expect(textsShown().length).toBeGreaterThan(10);
    expect(textsShown().filter(text => !MARKED.test(text))).toEqual([]);
    await arrive([...conversation().slice(4, 6), end(7, 'interrupted')]);
    expect(textsShown()).toContain(mark('Retry'));
    expect(textsShown().filter(text => !MARKED.test(text))).toEqual([]);
  });
});

describe('the language of a page', () => {
  it("is the translator's, in our own domain; English without one", () => {
    const domains: string[] = [];
    const translator = {
      languageCode: 'fr-FR',
      load: (domain: string) => {
        domains.push(domain);
        return brackets;
      }
    };
    expect(languageOf(translator)).toEqual({ trans: brackets, locale: 'fr-FR' });
    expect(domains).toEqual(['jupyter_chat_stream']);
    expect(languageOf(null).trans.__('Stop')).toBe('Stop');
  });
});
