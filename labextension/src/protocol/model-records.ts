/** The values of models and of what they cost on the wire, beside those of `records.ts`. */

/** A parameter of a message that a model takes. */
export interface Parameter {
  readonly name: string;
  readonly kind: 'choice' | 'number' | 'whole';
  readonly choices: readonly string[];
  readonly least: number | null;
  readonly most: number | null;
}

export interface Model {
  readonly id: string;
  readonly provider: string;
  /** The name of its endpoint; null if the provider has no address. */
  readonly endpoint: string | null;
  readonly label: string;
  readonly can: readonly string[];
  readonly context_tokens: number;
  readonly parameters: readonly Parameter[];
  readonly canned: boolean;
  readonly ready: boolean;
  /** Why the provider could not be loaded or reached. */
  readonly error: string | null;
}

export interface Endpoint {
  readonly name: string;
  readonly title: string;
  readonly is_local: boolean;
  readonly needs_key: boolean;
  readonly has_key: boolean;
  /** Whether this person may set the key on the page. */
  readonly can_set_key: boolean;
  /** Where the key is, or where the next one is kept. */
  readonly where_key: string | null;
  /** Why its models cannot be listed or used. */
  readonly error: string | null;
}

export interface ModelList {
  readonly models: readonly Model[];
  readonly endpoints: readonly Endpoint[];
  readonly default: string | null;
}

/** The tokens and the cost of some ended answers. */
export interface UsageSum {
  readonly answers: number;
  /** Without those that a cache held. */
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
  /** The sum of the known costs; null if none is known. */
  readonly cost_usd: number | null;
  /** The number of answers whose cost is not known. */
  readonly unknown_cost: number;
}

/** How much of what its model can read a thread has used. */
export interface ContextUse {
  readonly model: string;
  readonly used_tokens: number;
  readonly context_tokens: number | null;
  /** The part of the context that a prompt may fill. */
  readonly prompt_tokens: number | null;
}

export interface ThreadUsage {
  readonly total: UsageSum;
  /** Null until an answer's tokens were counted. */
  readonly context: ContextUse | null;
}
