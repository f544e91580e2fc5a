// @vitest-environment node
// Cells as text, blocks as cells, and a kernel that is asked for its variables.
import { beforeEach, describe, expect, it } from 'vitest';

import { MIME_TYPE } from '../../src/protocol/address';
import { cellOf, textFor } from '../../src/workspace/blocks';
import { LONGEST_OUTPUTS, errorOf, outputTexts, plainText } from '../../src/workspace/outputs';
import { describing, unpack } from '../../src/workspace/python';
import { type AskedKernel, KernelVariables, PATIENCE_MS } from '../../src/workspace/variables';
import { FakeClock, flushPromises } from '../fakes';

const stream = (text: string, name = 'stdout') => ({ output_type: 'stream', name, text });
const shown = (data: object) => ({ output_type: 'display_data', metadata: {}, data });

describe('the outputs of a cell', () => {
  it('are what a terminal shows in the end, without colours', () => {
    const bar = stream('\u001b[31m10%\u001b[0m\r 50%');
    expect(outputTexts([bar, stream('\r100%\ndone\u0007'), stream('oh', 'stderr')])).toEqual([
      { kind: 'text', text: '100%\ndone' },
      { kind: 'text', text: 'oh' }
    ]);
    expect(plainText('  5%\b\b\b 50%\b\b\b100%\n\b\bdone')).toBe('  100%\ndone');
    expect(plainText('\u001b]8;;http://x\u0007link\u001b]8;;\u0007')).toBe('link');
  });

  it('name images, chats and unknown kinds, and hold none of their bytes', () => {
    const picture = shown({ 'image/png': 'iVBOR', 'text/plain': '<Figure>' });
    const chat = shown({ [MIME_TYPE]: { thread: 't' }, 'text/markdown': 'a long copy' });
    const widget = shown({ 'application/vnd.x+json': { a: 1 } });
    expect(outputTexts([picture, chat, widget])).toEqual([
      { kind: 'image', text: '[image/png]' },
      { kind: 'chat', text: '[chat]' },
      { kind: 'other', text: '[application/vnd.x+json]' }
    ]);
  });

  it('are bounded, and keep their beginning and their end', () => {
    const texts = outputTexts([stream(`begin${'😀'.repeat(30_000)}end`), stream('more', 'stderr')]);
    const [{ text } = { text: '' }] = texts;
    expect(texts).toHaveLength(1);
    expect(text.length).toBeLessThanOrEqual(LONGEST_OUTPUTS);
    expect(text.length).toBeGreaterThan(LONGEST_OUTPUTS - 200);
    expect(text).toMatch(/^begin.*characters are left out.*end$/su);
    expect(text).not.toMatch(/[\ud800-\udfff](?![\ud800-\udfff])(?<![\ud800-\udbff].)/);
  });

  it('have an error, without the colours of its traceback', () => {
    const error = {
      output_type: 'error',
      ename: 'NameError',
      evalue: "name 'x' is not defined",
      traceback: ['\u001b[0;31m---\u001b[0m', 'NameError: x']
    };
    expect(errorOf([stream('a'), error])).toEqual({
      name: 'NameError',
      message: "name 'x' is not defined",
      traceback: '---\nNameError: x'
    });
    expect(errorOf([{ ...error, traceback: [] }])?.traceback).toBe(
      "NameError: name 'x' is not defined"
    );
    expect(errorOf([stream('a'), null, 7])).toBeNull();
  });
});

describe('a code block', () => {
  const block = (language: string, text = 'x = 1\n') => ({ language, text });

  it('becomes a code cell in its own language and where it names none', () => {
    for (const language of ['', 'python', 'py', 'Python3', 'ipython']) {
      expect(cellOf(block(language), 'python')).toEqual({ kind: 'code', source: 'x = 1' });
    }
    expect(cellOf(block('julia'), '')).toEqual({ kind: 'code', source: 'x = 1' });
  });

  it('becomes a %%bash cell where it is a shell script and the kernel is Python', () => {
    expect(cellOf(block('sh', 'ls -l'), 'python')).toEqual({
      kind: 'code',
      source: '%%bash\nls -l'
    });
    expect(cellOf(block('bash', '%%bash\nls'), 'python').source).toBe('%%bash\nls');
    expect(cellOf(block('bash', 'ls'), 'r')).toEqual({
      kind: 'markdown',
      source: '```bash\nls\n```'
    });
  });

  it('becomes a Markdown cell where the kernel cannot run it', () => {
    expect(cellOf(block('markdown', '# A\n'), 'python')).toEqual({
      kind: 'markdown',
      source: '# A'
    });
    expect(cellOf(block('yaml', 'a: 1'), 'python').source).toBe('```yaml\na: 1\n```');
    expect(cellOf(block('text', 'a ```` b'), 'python').source).toBe('`````text\na ```` b\n`````');
  });

  it('is code at the cursor of a code cell, and has a fence at that of a Markdown cell', () => {
    expect(textFor(block('bash', 'ls\n'), 'code')).toBe('ls');
    expect(textFor(block('py'), 'markdown')).toBe('```py\nx = 1\n```');
    expect(textFor(block('md', '*a*'), 'markdown')).toBe('*a*');
  });
});

/** A kernel that answers when the test says so. */
class FakeKernel implements AskedKernel {
  status = 'idle';
  connectionStatus = 'connected';
  hasPendingInput = false;
  language = 'python';
  readonly asked: Parameters<AskedKernel['requestExecute']>[0][] = [];
  answer: (reply: unknown) => void = () => undefined;
  fail: (reason: unknown) => void = () => undefined;

  get info() {
    return Promise.resolve({ language_info: { name: this.language } });
  }

  requestExecute(content: Parameters<AskedKernel['requestExecute']>[0]) {
    this.asked.push(content);
    const done = new Promise((resolve, reject) => {
      this.answer = resolve;
      this.fail = reject;
    });
    return { done, dispose: () => undefined };
  }
}

const packed = (value: unknown) => {
  const text = `'${Buffer.from(JSON.stringify(value)).toString('base64')}'`;
  const answer = { status: 'ok', data: { 'text/plain': text } };
  return { content: { status: 'ok', user_expressions: { answer } } };
};

describe('a kernel', () => {
  let clock: FakeClock;
  let kernel: FakeKernel;
  let variables: KernelVariables;

  beforeEach(() => {
    clock = new FakeClock();
    kernel = new FakeKernel();
    variables = new KernelVariables(clock);
  });

  it('is asked silently, by an expression, and nothing is kept in its history', async () => {
    const list = variables.list(kernel);
    await flushPromises();
    kernel.answer(packed([[['df', 'DataFrame', '2 × 3', 'a int64']], 4]));
    expect(await list).toEqual({
      state: 'known',
      variables: [{ name: 'df', type: 'DataFrame', shape: '2 × 3', summary: 'a int64' }],
      more: 4
    });
    expect(kernel.asked).toMatchObject([
      { code: '', silent: true, store_history: false, allow_stdin: false, stop_on_error: false }
    ]);
    expect(clock.pending).toBe(0);
  });

  it('is not asked while it is busy, starting, gone, or waits for a person', async () => {
    const told = async (change: Partial<FakeKernel>) => {
      const { state } = await variables.list(Object.assign(new FakeKernel(), change));
      return state;
    };
    expect(await told({ status: 'busy' })).toBe('busy');
    expect(await told({ hasPendingInput: true })).toBe('busy');
    expect(await told({ status: 'restarting' })).toBe('starting');
    expect(await told({ connectionStatus: 'connecting' })).toBe('starting');
    expect(await told({ status: 'dead' })).toBe('no_kernel');
    expect((await variables.list(null)).state).toBe('no_kernel');
    expect(await told({ language: 'R' })).toBe('other_language');
  });

  it('counts as busy if a cell came first, and gets no second request meanwhile', async () => {
    const list = variables.list(kernel);
    await flushPromises();
    clock.turn(PATIENCE_MS);
    expect(await list).toEqual({ state: 'busy' });
    expect((await variables.describe(kernel, 'df')).state).toBe('busy');
    expect(kernel.asked).toHaveLength(1);
    kernel.answer(packed([[], 0]));
    await flushPromises();
    const again = variables.list(kernel);
    await flushPromises();
    kernel.answer({ content: { status: 'aborted' } });
    expect((await again).state).toBe('busy');
    expect(kernel.asked).toHaveLength(2);
  });

  it('that fails or answers with something else is told so', async () => {
    for (const reply of [null, packed('text'), packed({ a: 1 }), { content: 7 }]) {
      const list = variables.list(kernel);
      await flushPromises();
      kernel.answer(reply);
      expect(await list).toEqual({ state: 'failed' });
    }
    const list = variables.list(kernel);
    await flushPromises();
    kernel.fail(new Error('the kernel was restarted'));
    expect(await list).toEqual({ state: 'failed' });
  });

  it('describes one variable, whatever its name is', async () => {
    const text = variables.describe(kernel, 'a"]\n#ü');
    await flushPromises();
    kernel.answer(packed('str, 1 character'));
    expect(await text).toEqual({ state: 'known', text: 'str, 1 character' });
    const missing = variables.describe(kernel, 'b');
    await flushPromises();
    kernel.answer(packed(null));
    expect(await missing).toEqual({ state: 'missing' });
    expect(describing('a"]\n#ü')).toContain('"a\\"]\\n#\\u00fc"');
    expect(() => unpack("'a' + 'b'")).toThrow();
  });
});
