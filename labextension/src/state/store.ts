/** A state whose views are told of each change, as React's `useSyncExternalStore` reads it. */
export class Store<State> {
  constructor(protected _state: State) {}

  /** The same object until something changes. */
  readonly getState = (): State => this._state;

  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  };

  protected _set(change: Partial<State>): void {
    this._replace({ ...this._state, ...change });
  }

  protected _replace(state: State): void {
    this._state = state;
    [...this._listeners].forEach(listener => listener());
  }

  protected readonly _listeners = new Set<() => void>();
}
