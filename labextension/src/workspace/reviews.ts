/**
 * What a person has chosen for the cells of proposals, before the last choice is sent as the answer.
 *
 * The card of the chat and the cells of the notebook show the same choices. They live in the page:
 * nothing is made before the answer stands in the log (L13).
 */

import { type CellChange } from './cell-changes';

/** By the id of a cell: whether its edits are accepted. */
export type Choices = ReadonlyMap<string, boolean>;

/** The answer to a question of consent. */
export type ReviewAnswer =
  'once' | 'no' | { readonly choice: 'some'; readonly accepted: readonly string[] };

export const NO_CHOICES: Choices = new Map();
/** Older proposals are forgotten: their questions ask again for a choice. */
const MOST_REVIEWS = 200;

export class Reviews {
  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    return () => this._listeners.delete(listener);
  };

  /** The choices of a question so far; the same object until one changes. */
  of(requestId: string): Choices {
    return this._choices.get(requestId) ?? NO_CHOICES;
  }

  /** Choose for one cell. Returns the answer if it was the last of `cells`, else null. */
  choose(
    requestId: string,
    cell: string,
    isAccepted: boolean,
    cells: readonly string[]
  ): ReviewAnswer | null {
    const choices = new Map(this.of(requestId)).set(cell, isAccepted);
    kept(this._choices, requestId, choices);
    kept(this._cells, requestId, cells);
    this._tell();
    return answerOf(choices, cells);
  }

  /** The answer if all cells without a choice get this one: what was chosen before holds (L13). */
  rest(requestId: string, isAccepted: boolean): ReviewAnswer {
    const cells = this._cells.get(requestId) ?? [];
    const chosen = this.of(requestId);
    const choices = new Map(cells.map(cell => [cell, chosen.get(cell) ?? isAccepted]));
    return (cells.length === 0 ? null : answerOf(choices, cells)) ?? (isAccepted ? 'once' : 'no');
  }

  /** The changes as a person saw them last, before they were made: the card shows them on. */
  shown(requestId: string): readonly CellChange[] | null {
    return this._shown.get(requestId) ?? null;
  }

  /** Keep what is shown while the question is open. */
  show(requestId: string, changes: readonly CellChange[]): void {
    if (JSON.stringify(this.shown(requestId)) !== JSON.stringify(changes)) {
      kept(this._shown, requestId, changes);
      this._tell();
    }
  }

  private _tell(): void {
    [...this._listeners].forEach(listener => listener());
  }

  private readonly _choices = new Map<string, Choices>();
  private readonly _cells = new Map<string, readonly string[]>();
  private readonly _shown = new Map<string, readonly CellChange[]>();
  private readonly _listeners = new Set<() => void>();
}

function kept<T>(values: Map<string, T>, requestId: string, value: T): void {
  values.delete(requestId);
  values.set(requestId, value);
  const [oldest] = values.keys();
  if (values.size > MOST_REVIEWS && oldest !== undefined) {
    values.delete(oldest);
  }
}

/** The answer of choices for all cells; null while one is missing. */
export function answerOf(choices: Choices, cells: readonly string[]): ReviewAnswer | null {
  if (cells.some(cell => !choices.has(cell))) {
    return null;
  }
  const accepted = cells.filter(cell => choices.get(cell) === true);
  if (accepted.length === cells.length) {
    return 'once';
  }
  return accepted.length === 0 ? 'no' : { choice: 'some', accepted };
}
