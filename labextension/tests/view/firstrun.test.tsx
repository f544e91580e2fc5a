import { describe, expect, it } from 'vitest';

import { ENGLISH, conversation } from '../fakes';
import { type Wire, model, endpoint, answerModels, doing, type } from '../offering';
import { arrive, has, page, part, show, useStage } from '../stage';

useStage();

describe('the card of a first run', () => {
  const keyless = endpoint('claude', { has_key: false });
  const EMPTY_THREAD = () => conversation().slice(0, 1);

  async function empty(models: readonly Wire[], endpoints: object[] = [keyless]): Promise<void> {
    await show();
    await arrive(EMPTY_THREAD());
    await answerModels(models, endpoints);
  }

  it('stands in an empty chat while only the demo answers', async () => {
    await empty([model('claude/big', false), model('demo/tour')]);
    expect(has('first-run')).toBe(true);
    await arrive(conversation().slice(1, 3));
    expect(has('first-run')).toBe(false);
  });

  it('is announced by a line while the models are looked for', async () => {
    await show();
    await arrive(EMPTY_THREAD());
    expect(part('empty').textContent).toContain('Looking for models…');
    await answerModels([model('lab/small')]);
    expect(part('empty').textContent).not.toContain('Looking for models…');
  });

  it('is not there where a real model is ready', async () => {
    await empty([model('lab/small'), model('demo/tour')]);
    expect(has('first-run')).toBe(false);
  });

  it('keeps a key and gives the thread the first model that it opens', async () => {
    await empty([model('claude/big', false), model('demo/tour')]);
    await type('key-field', 'sk-1');
    await doing(() => part('key-save').click());
    await doing(() => page.api.call('PUT', 'endpoints/claude/key').answer(null));
    await answerModels([model('claude/big'), model('demo/tour')], [endpoint('claude')]);
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({ model: 'claude/big' });
    expect(has('first-run')).toBe(false);
  });

  it("shows the server's reason for a refused key, and keeps the text", async () => {
    await empty([model('claude/big', false)]);
    await type('key-field', 'sk 1');
    await doing(() => part('key-save').click());
    const { ApiError } = await import('../../src/connection/api');
    const refusal = new ApiError(400, 'invalid_input', 'This cannot be a key.');
    await doing(() => page.api.call('PUT', 'endpoints/claude/key').fail(refusal));
    expect(part('key-problem').textContent).toBe('This cannot be a key.');
    expect((part('key-field') as HTMLInputElement).value).toBe('sk 1');
  });

  it('finds a local server that was started meanwhile', async () => {
    await empty([model('demo/tour')]);
    await doing(() => part('first-run-refresh').click());
    await answerModels([model('ollama/qwen'), model('demo/tour')]);
    expect(page.api.call('PATCH', 'threads/t').body).toEqual({ model: 'ollama/qwen' });
  });

  it('writes a first question for the demo, and does not send it', async () => {
    await empty([model('demo/tour')]);
    await doing(() => part('first-run-demo').click());
    expect((part('field') as HTMLTextAreaElement).value).toBe(ENGLISH.trans.__('Show me around.'));
    expect(page.api.calls.some(call => call.method === 'POST')).toBe(false);
  });

  it('asks for no key where an administrator has turned it off', async () => {
    await empty(
      [model('claude/big', false)],
      [endpoint('claude', { has_key: false, can_set_key: false })]
    );
    expect(has('key-field')).toBe(false);
    expect(part('first-run').textContent).toContain('Ask the administrator of this server.');
  });

  it('shows why a key does not work, and offers to replace or remove it', async () => {
    await empty([model('claude/big', false), model('demo/tour')]);
    await type('key-field', 'sk-wrong');
    await doing(() => part('key-save').click());
    await doing(() => page.api.call('PUT', 'endpoints/claude/key').answer(null));
    const dead = model('claude', false, { error: 'The key was refused.' });
    await answerModels([dead], [endpoint('claude', { error: 'The key was refused.' })]);
    expect(part('endpoint-error').textContent).toBe('The key was refused.');
    expect(part('first-run').textContent).toContain('Replace the key');
    expect(part('key-remove').textContent).toBe('Remove the key');
    const field = part('key-field') as HTMLInputElement;
    expect([field.value, document.activeElement]).toEqual(['', field]);
  });

  it('leads on to the message field once a key works', async () => {
    await empty([model('claude/big', false), model('demo/tour')]);
    await type('key-field', 'sk-1');
    await doing(() => part('key-field').focus());
    await doing(() => part('key-save').click());
    await doing(() => page.api.call('PUT', 'endpoints/claude/key').answer(null));
    await answerModels([model('claude/big')], [endpoint('claude')]);
    expect(document.activeElement).toBe(part('field'));
  });

  it('says that no model was found, or why it could not look', async () => {
    await empty([model('demo/tour')]);
    await doing(() => part('first-run-refresh').click());
    await answerModels([model('demo/tour')]);
    expect(part('first-run-status').textContent).toBe('No model was found.');
    await doing(() => part('first-run-refresh').click());
    const { ApiError } = await import('../../src/connection/api');
    const failure = new ApiError(500, 'internal', 'The server has failed.');
    await doing(() => page.api.call('GET', 'models?refresh=1').fail(failure));
    expect(part('first-run-status').textContent).toContain('The server has failed.');
  });

  it('offers the demo only where it may be asked', async () => {
    await empty([model('claude/big', false)]);
    expect(has('first-run')).toBe(true);
    expect(has('first-run-demo')).toBe(false);
  });
});
