/**
 * The model and the parameters of a thread's next answers, as this page changes them.
 *
 * The server replaces all parameters at once. So each request carries the log's parameters with all
 * changes of this page over them, and one request is under way at a time.
 */
import { type Model, type ThreadTools } from '../protocol/records';
import { type Params, keptParams } from './offer';

interface SettingsFields {
  readonly model?: string;
  readonly params?: Params;
}

/** What a page changes of a thread. */
export type ThreadFields =
  | SettingsFields
  | { readonly head: string }
  | { readonly title: string }
  | { readonly tools: ThreadTools };

interface ThreadSettingsOptions {
  /** Returns the parameters that the log has. */
  readonly readLog: () => Params;
  /** Sends the fields. Returns whether the server has taken them. */
  readonly send: (fields: SettingsFields) => Promise<boolean>;
  readonly onChange: () => void;
}

/** A change that the log does not tell of yet. */
interface PendingChange {
  /** Null removes the parameter. */
  readonly value: unknown;
  isSent: boolean;
  /** The parameters of the log when the server had taken the change; null until then. */
  loggedParams: Params | null;
}

export class ThreadSettings {
  constructor(private readonly _options: ThreadSettingsOptions) {}

  /** The log's parameters, with the changes that it does not tell of yet. */
  get params(): Params {
    const names = new Set(this._pending.keys());
    const others = Object.entries(this._options.readLog()).filter(([name]) => !names.has(name));
    const pendingEntries = [...this._pending].map(([name, { value }]) => [name, value] as const);
    return Object.fromEntries([...others, ...pendingEntries.filter(([, value]) => value !== null)]);
  }

  /** Set parameters; null removes one. What the model does not take is left out. */
  async set(values: Params, model: Model): Promise<void> {
    for (const [name, value] of Object.entries(values)) {
      this._pending.set(name, { value, isSent: false, loggedParams: null });
    }
    this._options.onChange();
    await this._next(async () => {
      const changes = [...this._pending].filter(([, change]) => !change.isSent);
      if (changes.length === 0) {
        return; // an earlier request has carried them
      }
      changes.forEach(([, change]) => (change.isSent = true));
      const before = this._options.readLog();
      const isDone = await this._options.send({ params: keptParams(this.params, model).params });
      for (const [name, change] of changes) {
        change.loggedParams = before;
        if (!isDone && this._pending.get(name) === change) {
          this._pending.delete(name);
        }
      }
      this.update();
      this._options.onChange();
    });
  }

  /** Set the model. Returns the parameters that it does not take; null if the model was not set. */
  async choose(model: Model): Promise<readonly string[] | null> {
    return this._next(async () => {
      const { params, otherNames } = keptParams(this.params, model);
      const fields = otherNames.length > 0 ? { params } : {};
      return (await this._options.send({ model: model.id, ...fields })) ? otherNames : null;
    });
  }

  /** The log has moved: forget the changes that it tells of now. */
  update(): void {
    const loggedParams = this._options.readLog();
    for (const [name, change] of this._pending) {
      const isTold =
        change.loggedParams !== loggedParams || (loggedParams[name] ?? null) === change.value;
      if (change.loggedParams !== null && isTold) {
        this._pending.delete(name);
      }
    }
  }

  /** Begin `action` when the requests before it have ended. */
  private _next<T>(action: () => Promise<T>): Promise<T> {
    const result = this._last.then(action);
    this._last = result.then(
      () => undefined,
      () => undefined
    );
    return result;
  }

  private readonly _pending = new Map<string, PendingChange>();
  private _last: Promise<void> = Promise.resolve();
}
