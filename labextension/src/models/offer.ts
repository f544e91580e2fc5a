/**
 * What the model picker offers: the models in groups, filtered by a search. Pure.
 *
 * A group is an endpoint, a provider without an address, or the demo. The recently used models come
 * first while nothing is searched for.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Endpoint, type Model, type ModelList, type Parameter } from '../protocol/records';

export type Params = Readonly<Record<string, unknown>>;

export const NO_PARAMS: Params = {};

export interface ModelGroup {
  readonly key: string;
  readonly title: string;
  /** The endpoint of the group; null for recent models, the demo and other providers. */
  readonly endpoint: Endpoint | null;
  /** Why the group's models cannot be used; null if they can. */
  readonly reason: string | null;
  readonly models: readonly Model[];
  /** How many more models of the group match; a search finds them. */
  readonly hidden: number;
}

/** So many models of one group are listed; a longer list is for the search. */
const MAX_GROUP_MODELS = 50;
const DEMO = 'demo';

/** The name of a model as people know it; its id if the page does not know the model. */
export function modelName(id: string | null, list: ModelList | null): string {
  return list?.models.find(model => model.id === id)?.label ?? id ?? '';
}

/** Whether the model answers for real, and could now. */
export function isReal(model: Model): boolean {
  return model.ready && !model.canned && model.error === null;
}

/** Whether an endpoint lacks its key. */
function lacksKey(endpoint: Endpoint): boolean {
  return endpoint.needs_key && !endpoint.has_key;
}

/** Whether an endpoint lacks a key that works: it has none, or nothing comes with the one it has. */
export function wantsKey(endpoint: Endpoint): boolean {
  return endpoint.needs_key && (!endpoint.has_key || endpoint.error !== null);
}

/** Whether this person may enter a key that the endpoint wants. */
export function mayEnterKey(endpoint: Endpoint): boolean {
  return wantsKey(endpoint) && endpoint.can_set_key;
}

/** Whether the entry stands for a provider that could not be loaded or reached. */
function isBroken(model: Model): boolean {
  return model.error !== null;
}

/** Group the models that match a search. */
export function offer(
  list: ModelList,
  query: string,
  recent: readonly string[],
  trans: TranslationBundle
): readonly ModelGroup[] {
  const words = query.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  const groups: ModelGroup[] = [];
  if (words.length === 0) {
    const usable = new Map(
      list.models.filter(model => model.ready).map(model => [model.id, model])
    );
    const recentModels = recent.map(id => usable.get(id)).filter(model => model !== undefined);
    if (recentModels.length > 0) {
      groups.push(group('recent', trans.__('Recently used'), null, null, recentModels));
    }
  }
  for (const [key, models] of byKey(list)) {
    const endpoint = list.endpoints.find(other => other.name === key) ?? null;
    const title = key === DEMO ? trans.__('Demo (canned answers)') : (endpoint?.title ?? key);
    const error = endpoint?.error ?? models.find(isBroken)?.error ?? null;
    const reason =
      endpoint !== null && lacksKey(endpoint) && endpoint.can_set_key
        ? trans.__('Needs an API key.')
        : error;
    const matching = models.filter(
      model => !isBroken(model) && matches(words, [model.label, model.id, title])
    );
    const isShown = matching.length > 0 || (reason !== null && matches(words, [key, title]));
    if (isShown) {
      groups.push(group(key, title, endpoint, reason, matching));
    }
  }
  return groups;
}

function group(
  key: string,
  title: string,
  endpoint: Endpoint | null,
  reason: string | null,
  models: readonly Model[]
): ModelGroup {
  const shownModels = models.slice(0, MAX_GROUP_MODELS);
  return {
    key,
    title,
    endpoint,
    reason,
    models: shownModels,
    hidden: models.length - shownModels.length
  };
}

/** The models by group, in the list's order; endpoints without models too, the demo last. */
function byKey(list: ModelList): readonly [string, readonly Model[]][] {
  const groups = new Map<string, Model[]>();
  for (const model of list.models) {
    const key = model.canned ? DEMO : (model.endpoint ?? model.provider);
    groups.set(key, [...(groups.get(key) ?? []), model]);
  }
  for (const endpoint of list.endpoints) {
    if (!groups.has(endpoint.name)) {
      groups.set(endpoint.name, []);
    }
  }
  const isReady = ([, models]: [string, readonly Model[]]): boolean =>
    models.some(model => model.ready);
  const rank = (entry: [string, readonly Model[]]): number =>
    entry[0] === DEMO ? 2 : isReady(entry) ? 0 : 1;
  return [...groups].sort((a, b) => rank(a) - rank(b));
}

function matches(words: readonly string[], texts: readonly string[]): boolean {
  const text = texts.join('\n').toLocaleLowerCase();
  return words.every(word => text.includes(word));
}

/** What a model can, in words: its context, then its abilities. */
export function abilities(model: Model, trans: TranslationBundle): readonly string[] {
  const labels: Readonly<Record<string, string>> = {
    images: trans.__('images'),
    documents: trans.__('documents'),
    tools: trans.__('tools'),
    reasoning: trans.__('reasoning')
  };
  const words = Object.keys(labels).filter(name => model.can.includes(name));
  const size = model.canned ? [] : [contextText(model.context_tokens, trans)].filter(Boolean);
  return [...size, ...words.map(name => labels[name] ?? name)];
}

/** A number of tokens as people say it: 200k, 1M; empty if it is not known. */
function contextText(tokens: number, trans: TranslationBundle): string {
  if (tokens >= 1_000_000) {
    return trans.__('%1M', Math.round(tokens / 100_000) / 10);
  }
  return tokens >= 1_000
    ? trans.__('%1k', Math.round(tokens / 1_000))
    : tokens > 0
      ? `${tokens}`
      : '';
}

/** The name of a parameter that people read. */
export function parameterText(name: string, trans: TranslationBundle): string {
  const labels: Readonly<Record<string, string>> = {
    effort: trans.__('Effort'),
    temperature: trans.__('Temperature'),
    max_tokens: trans.__('Longest answer (tokens)'),
    top_p: trans.__('Top p'),
    seed: trans.__('Seed')
  };
  return Object.prototype.hasOwnProperty.call(labels, name) ? (labels[name] ?? name) : name;
}

/** Whether a value fits a parameter. */
export function fits(parameter: Parameter, value: unknown): boolean {
  if (parameter.kind === 'choice') {
    return typeof value === 'string' && parameter.choices.includes(value);
  }
  return (
    typeof value === 'number' &&
    (parameter.kind === 'number' || Number.isInteger(value)) &&
    value >= (parameter.least ?? -Infinity) &&
    value <= (parameter.most ?? Infinity)
  );
}

/** The parameters that a model takes, and the names of the others. */
export function keptParams(
  params: Params,
  model: Model | undefined
): { readonly params: Params; readonly otherNames: readonly string[] } {
  const isTaken = (name: string, value: unknown): boolean =>
    model?.parameters.some(parameter => parameter.name === name && fits(parameter, value)) === true;
  const entries = Object.entries(params);
  return {
    params: Object.fromEntries(entries.filter(([name, value]) => isTaken(name, value))),
    otherNames: entries.filter(([name, value]) => !isTaken(name, value)).map(([name]) => name)
  };
}

/** The model to begin with: the server's default if it is real, else the first real one. */
export function firstReal(list: ModelList, endpoint: string | null = null): Model | undefined {
  const real = list.models.filter(
    model => isReal(model) && (endpoint === null || model.endpoint === endpoint)
  );
  return real.find(model => model.id === list.default) ?? real[0];
}
