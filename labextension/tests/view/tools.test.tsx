// The cards of tool calls, and the consent that a person gives in them (L13).
import { act } from 'react';
import { describe, expect, it } from 'vitest';

import { ApiError } from '../../src/connection/api';
import { type ToolUse, toolState } from '../../src/fold/tool-calls';
import { revealHidden } from '../../src/text/hidden-characters';
import { toolHint } from '../../src/view/tools/tool-hints';
import { ENGLISH } from '../fakes';
import { arrive, click, end, has, host, page, part, type, useStage } from '../stage';
import {
  allowed,
  asks,
  begin,
  call,
  card,
  claimed,
  next,
  numberAfter,
  printed,
  result,
  summary,
  toggle,
  waits
} from './tool-cards';

useStage();

describe('consent (L13)', () => {
  it('is asked in the open card of the call, with exactly what will run', async () => {
    await begin(call(0, 'c1'));
    await arrive(next(asks('c1'), waits));
    expect(card().open).toBe(true);
    expect(card().dataset['state']).toBe('asks');
    expect(summary()).toContain('asks you');
    expect(summary()).toContain('kernel.run');
    expect(part('tool-code').textContent).toBe('print(1)\nprint(2)');
    expect(has('input-request')).toBe(false);
    expect(part('status').textContent).toBe('Waiting for you');
    expect(part('announcer').textContent).toContain('Asks you: May the model call kernel.run?');
  });

  it.each([
    ['consent-once', 'once'],
    ['consent-thread', 'thread'],
    ['consent-always', 'always'],
    ['consent-no', 'no']
  ])('is answered by %s, and the focus stays at the card', async (button, value) => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    part(button).focus();
    await click(button);
    const { body } = page.api.call('POST', 'runs/r/input');
    expect(body).toEqual({ request_id: 'ask-c1', value });
    expect(document.activeElement).toBe(card().querySelector('summary'));
    expect((part('consent-once') as HTMLButtonElement).disabled).toBe(true);
  });

  it('takes words to the model with a refusal, by Enter in their field', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await type('use the copy', 'consent-words');
    await act(async () => part('refusal').dispatchEvent(new Event('submit', { bubbles: true })));
    const { body } = page.api.call('POST', 'runs/r/input');
    expect(body).toEqual({ request_id: 'ask-c1', value: { choice: 'no', words: 'use the copy' } });
  });

  it('shows the first answer, and tells a second one that it was not used', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await click('consent-always');
    await act(async () =>
      page.api
        .call('POST', 'runs/r/input')
        .fail(new ApiError(409, 'request_not_open', 'late', { value: 'no', by: 'ada' }))
    );
    expect(has('consent')).toBe(false);
    expect(part('consent-answer').textContent).toBe('Not allowed, by ada.');
    expect(part('consent-beaten').textContent).toContain('“Always allowed” was not used');
    expect(has('problem')).toBe(false);
  });

  it('that is answered elsewhere loses neither the typed words nor the focus', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await type('use the copy', 'consent-words');
    part('consent-words').focus();
    await arrive(next({ type: 'input', request_id: 'ask-c1', value: 'once', by: 'ada' }));
    expect(has('consent')).toBe(false);
    expect(card().open).toBe(true);
    expect(part('unsent-words').textContent).toBe('Your words were not sent: “use the copy”');
    expect(part('consent-answer').textContent).toBe('Allowed once, by ada.');
    expect(document.activeElement).toBe(card().querySelector('summary'));
  });

  it('that expires among other calls does not lose the typed words either', async () => {
    await begin(call(0, 'c1'), call(1, 'c2'), asks('c1'), waits);
    await type('use the copy', 'consent-words');
    await arrive(next(result('c1', false, 'Nobody consented in time.'), result('c2')));
    expect(part('unsent-words').textContent).toContain('“use the copy”');
  });

  it('tells of no unsent words where an answer has carried them', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await type('use the copy', 'consent-words');
    const value = { choice: 'no', words: 'use the copy' };
    await arrive(next({ type: 'input', request_id: 'ask-c1', value, by: 'local' }));
    expect(card().open).toBe(false);
  });

  it('stays open while another call runs, and offers only what the server takes', async () => {
    await begin(
      call(0, 'c1'),
      call(1, 'c2'),
      allowed('c1', 'none', null),
      asks('c2', { choices: ['once', 'no'] })
    );
    await arrive(next({ type: 'status', phase: 'thinking' }));
    const [first, second] = host.querySelectorAll<HTMLElement>('[data-testid=tool-call]');
    expect([first?.dataset['state'], second?.dataset['state']]).toEqual(['waiting', 'asks']);
    expect(has('consent-once')).toBe(true);
    expect(has('consent-always')).toBe(false);
    expect(part('tool-group').textContent).toContain('one asks you');
  });

  it('that nobody gave in time leaves a sentence, and no buttons', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await arrive(next(result('c1', false, 'Nobody consented in time.')));
    expect(card().dataset['state']).toBe('expired');
    await toggle(card(), true);
    expect(has('consent')).toBe(false);
    expect(part('tool-hint').textContent).toContain('nobody answered in time');
    expect(part('tool-output').textContent).toContain('What the model was told');
  });

  it('that was refused shows by whom and with what words', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    const value = { choice: 'no', words: 'not on <b>Friday</b>' };
    await arrive(next({ type: 'input', request_id: 'ask-c1', value, by: 'ada' }));
    expect(card().dataset['state']).toBe('checking');
    await arrive(next(result('c1', false, 'Refused.')));
    expect(card().dataset['state']).toBe('refused');
    await toggle(card(), true);
    expect(part('consent-answer').textContent).toBe('Not allowed: “not on <b>Friday</b>”, by ada.');
  });

  it('shows characters that would hide what runs', async () => {
    const code = 'safe = 1 #\u202e\u2066 (live)';
    await begin(call(0, 'c1', { input: { operation: 'run', code } }), asks('c1'), waits);
    expect(part('tool-code').textContent).toBe('safe = 1 #⟨U+202E⟩⟨U+2066⟩ (live)');
    expect(revealHidden('tab\tline\n a\u200bb \u{e0041}')).toBe('tab\tline\n a⟨U+200B⟩b ⟨U+E0041⟩');
    expect(revealHidden('é 漢字 🐍 ✔️ 👩‍💻 عربى')).toBe('é 漢字 🐍 ✔️ 👩‍💻 عربى');
  });

  it.each([
    ['a long text', `run ${'a'.repeat(60)}; rm -rf ~`, 'rm -rf ~'],
    ['no text', { rm: '~' }, '"rm": "~"']
  ])('shows all of an input, an operation too that is %s', async (_what, operation, shown) => {
    await begin(call(0, 'c1', { input: { operation, code: 'x' } }), asks('c1'), waits);
    expect(part('tool-input').textContent).toContain(shown);
    expect(card().querySelector('summary code')?.textContent).toBe('kernel');
  });

  it('shows the objects of a list one by one, with the lines of their texts as lines', async () => {
    const edits = [
      { op: 'replace', cell: 'a', source: 'x = 1\nprint(x)', deep: [{ y: 1 }] },
      { op: 'insert', after: 'a', source: '<b>Next</b>' }
    ];
    const mixed = [{ z: 1 }, 2];
    const input = { operation: 'propose', edits, mixed };
    await begin(call(0, 'c1', { name: 'notebook', input, effect: 'change' }), asks('c1'), waits);
    const items = [...card().querySelectorAll('.jp-ChatStream-toolItems > li')];
    expect(items.length).toBe(2);
    expect(items[0]?.querySelector('pre')?.textContent).toBe('x = 1\nprint(x)');
    expect(items[0]?.textContent).toContain(JSON.stringify([{ y: 1 }], null, 2));
    expect(items[1]?.textContent).toBe('opinsertafterasource<b>Next</b>');
    expect(card().textContent).toContain(JSON.stringify(mixed, null, 2));
  });
});

describe('a call', () => {
  it('tells who runs it, shows its output as it comes, and folds when it is done', async () => {
    await begin(call(0, 'c1'), asks('c1'), waits);
    await arrive(next({ type: 'input', request_id: 'ask-c1', value: 'once', by: 'local' }));
    await arrive(next(allowed('c1'), waits));
    expect(card().dataset['state']).toBe('waiting');
    expect(part('status').textContent).toBe('Waiting for kernel.run');
    await arrive(
      next(claimed('c1'), printed('c1', '10%\r'), printed('c1', '\u001b[31m20%\u001b[0m'))
    );
    expect(card().dataset['state']).toBe('running');
    expect(card().open).toBe(true);
    expect(part('tool-progress').textContent).toBe('20%');
    expect(part('tool-executor').textContent).toBe('Running in kernel of a.ipynb');
    expect(part('status').title).toBe('Running kernel.run in kernel of a.ipynb…');
    await arrive(next(result('c1', true, { rows: 3 })));
    expect(card().open).toBe(false);
    expect(summary()).toBe('donekernel.runprint(1) print(2)5 s');
    await toggle(card(), true);
    expect(part('tool-output').textContent).toContain('"rows": 3');
    expect(part('consent-answer').textContent).toBe('Allowed once, by you.');
    expect(part('tool-executor').textContent).toBe('Ran in kernel of a.ipynb');
  });

  it('follows the end of a growing output until the reader scrolls back', async () => {
    await begin(call(0, 'c1'), allowed('c1', 'always'), claimed('c1'), printed('c1', 'a\n'));
    const box = part('tool-progress');
    const sizes = { scrollHeight: 500, clientHeight: 100 };
    for (const [name, value] of Object.entries(sizes)) {
      Object.defineProperty(box, name, { value });
    }
    await arrive(next(printed('c1', 'b\n')));
    expect(box.scrollTop).toBe(500);
    box.scrollTop = 200;
    await act(async () => void box.dispatchEvent(new Event('scroll')));
    await arrive(next(printed('c1', 'c\n')));
    expect(box.scrollTop).toBe(200);
  });

  it('draws the last lines of a long output while it grows, and all of it in the end', async () => {
    const line = `${'x'.repeat(99)}\n`;
    await begin(
      call(0, 'c1'),
      allowed('c1', 'mode'),
      claimed('c1'),
      printed('c1', `first\n${line.repeat(1_000)}`)
    );
    expect(part('tool-progress').textContent?.length).toBeLessThan(17_000);
    expect(part('tool-call').textContent).toContain('The beginning is shown when');
    await arrive(next(result('c1'), end(numberAfter(1), 'completed')));
    await toggle(card(), true);
    expect(part('tool-progress').textContent).toContain('first');
    expect(part('allowance').textContent).toContain('Allowed by the mode of this chat');
  });

  it('stays open when it is done if somebody reads in it, and stays folded for who folds it', async () => {
    await begin(call(0, 'c1'), allowed('c1', 'always'), claimed('c1'), printed('c1', 'a'));
    await act(async () => part('tool-progress').click());
    await arrive(next(result('c1')));
    expect(card().open).toBe(true);
    await toggle(card(), false);
    await arrive(next({ type: 'delta', part: 2, kind: 'text', text: 'So.' }));
    expect(card().open).toBe(false);
  });

  it('opens again for a consent that is asked after the card was folded', async () => {
    await begin(call(0, 'c1'));
    await toggle(card(), true);
    await toggle(card(), false);
    await arrive(next(asks('c1'), waits));
    expect(card().open).toBe(true);
  });

  it('that failed by itself says how, and who had allowed it', async () => {
    await begin(call(0, 'c1'), allowed('c1', 'thread'), claimed('c1'));
    await arrive(next(result('c1', false, 'ZeroDivisionError')));
    expect(card().dataset['state']).toBe('failed');
    await toggle(card(), true);
    expect(part('tool-output').textContent).toBe('ErrorZeroDivisionError');
    expect(part('allowance').textContent).toContain('Allowed in this chat by you');
  });

  it.each([
    ['interrupted', 'it is not repeated'],
    ['expired', 'nobody was there to execute it'],
    ['refused', 'it was not allowed']
  ])('that is %s by the server says so', (reason, sentence) => {
    const at = '2026-11-20T09:00:00Z';
    const made = { where: 'kernel', allowed: { consent: 'always', by: 'ada', at } };
    const use = {
      index: 0,
      call: { kind: 'tool_call', tool_call_id: 'c1', name: 'clean', input: {}, ...made },
      result: { kind: 'tool_result', ...result('c1', false), reason },
      consent: null
    } as unknown as ToolUse;
    expect(toolState(use, false)).toBe(reason);
    expect(toolHint(use, toolState(use, false), ENGLISH.trans)).toContain(sentence);
  });

  it('that is opened again waits again', async () => {
    await begin(call(0, 'c1'), allowed('c1', 'none', null), claimed('c1'), claimed('c1', null));
    expect(card().dataset['state']).toBe('waiting');
  });

  it('shows nothing of a name, an input or an output as HTML', async () => {
    const evil = '<img src=x onerror="window.isCaught=1">';
    await begin(
      call(0, 'c1', { name: evil, input: { [evil]: evil, list: [evil], long: `${evil}\n` } }),
      allowed('c1', 'once', evil),
      claimed('c1', evil),
      printed('c1', evil)
    );
    await arrive(next(result('c1', true, { evil })));
    await toggle(card(), true);
    expect(card().querySelector('img')).toBeNull();
    expect(card().textContent?.split(evil).length).toBeGreaterThan(6);
  });

  it('shows the files of its result below the folded card, as those of messages are', async () => {
    URL.createObjectURL = () => 'blob:1';
    URL.revokeObjectURL = () => undefined;
    page.api.bytes.set('attachments/f1', new Blob(['png']));
    const evil = '<b>\u202egnp.exe';
    const files = [
      { id: 'f1', name: 'figure.png', type: 'image/png', size: 2_048, sha256: 'a' },
      { id: 'f2', name: evil, type: 'text/html', size: 9, sha256: 'b' },
      { id: 'f3', name: 'df.parquet', type: 'application/vnd.apache.parquet', size: 9 }
    ];
    await begin(call(0, 'c1'), allowed('c1'), claimed('c1'));
    await arrive(next(result('c1', true, 'seen', { attachments: files })));
    await toggle(card(), false);
    const list = host.querySelector('[aria-label="Files of the result"]');
    expect(list?.querySelectorAll('[role=listitem]')).toHaveLength(3);
    expect(card().contains(list)).toBe(false);
    expect(part('thumbnail').getAttribute('aria-label')).toBe('Show image: figure.png');
    expect(host.querySelector('b, iframe')).toBeNull();
    expect(list?.textContent).not.toContain('\u202e');
    expect(list?.textContent).toContain('Download data');
  });

  it.each([[null], ['f1'], [{ id: 'f1' }], [[null, 1, { id: 'f1' }, { name: 'x' }]], [[]]])(
    'has no files where a newer writer tells them in another form: %j',
    async attachments => {
      await begin(call(0, 'c1'), allowed('c1'), claimed('c1'));
      await arrive(next(result('c1', true, 'seen', { attachments })));
      expect(card().dataset['state']).toBe('done');
      expect(host.querySelector('[aria-label="Files of the result"]')).toBeNull();
    }
  );
});
