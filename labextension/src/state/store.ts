/** What notifies its listeners of each change. */
export abstract class Notifier {
  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  };

  protected _notify(): void {
    [...this._listeners].forEach(listener => listener());
  }

  protected readonly _listeners = new Set<() => void>();
}

/** A state whose views are told of each change, as React's `useSyncExternalStore` reads it. */
export class Store<State> extends Notifier {
  constructor(protected _state: State) {
    super();
  }

  /** The same object until something changes. */
  readonly getState = (): State => this._state;

  protected _set(change: Partial<State>): void {
    this._replace({ ...this._state, ...change });
  }

  protected _replace(state: State): void {
    this._state = state;
    this._notify();
  }
}
