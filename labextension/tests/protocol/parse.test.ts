// @vitest-environment node
/** What the server's answers are read as, whatever stands in them. */
import { describe, expect, it } from 'vitest';

import { parseFrame, parseModels } from '../../src/protocol/parse';

describe('a field that holds no text', () => {
  it('is never shown as an object', () => {
    const { models } = parseModels({
      models: [{ id: 'a/b', label: { en: 'B' }, provider: ['a'] }],
      default: 'a/b'
    });
    expect(models).toEqual([
      {
        id: 'a/b',
        provider: '',
        endpoint: null,
        label: 'a/b',
        can: [],
        context_tokens: 0,
        parameters: [],
        canned: false,
        ready: true,
        error: null
      }
    ]);
    const frame = parseFrame('{"op": "closed", "thread": "t", "reason": {"deleted": true}}');
    expect(frame).toEqual({ op: 'closed', thread: 't', reason: '' });
  });

  it('makes no parameter and no endpoint of what is none', () => {
    const effort = { name: 'effort', kind: 'choice', choices: ['low', 7], least: null, most: 'x' };
    const { models, endpoints } = parseModels({
      models: [{ id: 'a/b', can: 'images', parameters: [7, effort, { name: 'x', kind: 'dial' }] }],
      endpoints: [null, { name: 'a', title: 5, has_key: 'yes' }]
    });
    expect(models[0]?.can).toEqual([]);
    expect(models[0]?.parameters).toEqual([
      { name: 'effort', kind: 'choice', choices: ['low'], least: null, most: null }
    ]);
    expect(endpoints).toEqual([
      {
        name: 'a',
        title: 'a',
        is_local: false,
        needs_key: false,
        has_key: false,
        can_set_key: false,
        where_key: null,
        error: null
      }
    ]);
  });
});
