/**
 * Tokens and costs: of one answer, from its message, and of a thread, as the server adds them up.
 *
 * The log does not contain the sums, so the page requests them when a thread opens and after each answer.
 */
import { type Api } from '../connection/api';
import { type Fields } from '../protocol/fields';
import { asObject } from '../protocol/parse';
import { type Message, type ModelList, type ThreadUsage, type UsageSum } from '../protocol/records';
import { Store } from '../state/store';

/** The tokens of one answer, and its cost in US dollars; null if the cost is not known. */
export interface AnswerUsage {
  /** Input tokens that were not read from a cache. */
  readonly input: number;
  readonly output: number;
  readonly cacheRead: number;
  readonly cacheWrite: number;
  readonly cost_usd: number | null;
}

/** The usage of an answer; null if its tokens were not counted. */
export function usageOf(message: Message): AnswerUsage | null {
  const wire = message.usage;
  if (wire === null) {
    return null;
  }
  const usage = {
    input: countOf(wire, 'input_tokens'),
    output: countOf(wire, 'output_tokens'),
    cacheRead: countOf(wire, 'cache_read_tokens'),
    cacheWrite: countOf(wire, 'cache_write_tokens'),
    cost_usd: costOf(wire)
  };
  return tokensOf(usage) > 0 ? usage : null;
}

/** All tokens that the model has read and written. */
export function tokensOf(usage: AnswerUsage): number {
  return usage.input + usage.output + usage.cacheRead + usage.cacheWrite;
}

/**
 * Whether a model's answers have a price. Answers of the demo and of a server on the same machine have
 * none. Null as long as the page does not know the model.
 */
export function hasPrice(model: string | null, models: ModelList | null): boolean | null {
  const info = models?.models.find(each => each.id === model);
  if (info === undefined) {
    return null;
  }
  const endpoint = models?.endpoints.find(each => each.name === info.endpoint);
  return !info.canned && info.provider !== 'demo' && endpoint?.is_local !== true;
}

/** The sums of a thread; null until they are loaded. */
export class ThreadUsageList extends Store<ThreadUsage | null> {
  constructor(
    private readonly _threadId: string,
    private readonly _api: Api
  ) {
    super(null);
  }

  /** Load the sums. A call during a request makes that request run again at its end. */
  async load(): Promise<void> {
    this._isStale = true;
    if (this._isLoading) {
      return;
    }
    this._isLoading = true;
    const path = `threads/${encodeURIComponent(this._threadId)}/usage`;
    while (this._isStale) {
      this._isStale = false;
      try {
        this._replace(parseUsage(await this._api.request({ method: 'GET', path })));
      } catch {
        // The old sums stay. The end of the next answer loads them again.
      }
    }
    this._isLoading = false;
  }

  private _isLoading = false;
  private _isStale = false;
}

/** Read the response to GET threads/{id}/usage. */
export function parseUsage(value: unknown): ThreadUsage {
  const wire = asObject(value, 'The usage');
  const context = wire['context'] === null ? null : asObject(wire['context'], 'The context');
  return {
    total: sumOf(asObject(wire['total'], 'The total')),
    context:
      context === null
        ? null
        : {
            model: String(context['model']),
            used_tokens: countOf(context, 'used_tokens'),
            context_tokens: countOf(context, 'context_tokens') || null,
            prompt_tokens: countOf(context, 'prompt_tokens') || null
          }
  };
}

function sumOf(wire: Fields): UsageSum {
  return {
    answers: countOf(wire, 'answers'),
    input_tokens: countOf(wire, 'input_tokens'),
    output_tokens: countOf(wire, 'output_tokens'),
    cache_read_tokens: countOf(wire, 'cache_read_tokens'),
    cache_write_tokens: countOf(wire, 'cache_write_tokens'),
    cost_usd: costOf(wire),
    unknown_cost: countOf(wire, 'unknown_cost')
  };
}

function countOf(wire: Fields, name: string): number {
  const value = wire[name];
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
}

function costOf(wire: Fields): number | null {
  const value = wire['cost_usd'];
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}
