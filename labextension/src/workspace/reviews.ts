/**
 * Keeps a person's choices for the cells of proposals until the page sends them as one answer.
 *
 * The card in the chat and the cells of the notebook show the same choices. The choices exist only in the
 * page: no edit is made before the answer is in the log (L13).
 */

import { forgetOldest } from '../state/bounds';
import { Notifier } from '../state/store';
import { type CellChange } from './cell-changes';

/** By cell id: whether the cell's edits are accepted. */
export type Choices = ReadonlyMap<string, boolean>;

/** The answer to a question of consent. */
export type ReviewAnswer =
  'once' | 'no' | { readonly choice: 'some'; readonly accepted: readonly string[] };

export const NO_CHOICES: Choices = new Map();
/** The choices of older proposals are dropped; the person has to choose again. */
const MOST_REVIEWS = 200;

export class Reviews extends Notifier {
  /** The choices of a question so far; the same object until a choice changes. */
  of(requestId: string): Choices {
    return this._choices.get(requestId) ?? NO_CHOICES;
  }

  /** Choose for one cell. Returns the answer if all `cells` have a choice now, else null. */
  choose(
    requestId: string,
    cell: string,
    isAccepted: boolean,
    cells: readonly string[]
  ): ReviewAnswer | null {
    const choices = new Map(this.of(requestId)).set(cell, isAccepted);
    remember(this._choices, requestId, choices);
    remember(this._cells, requestId, cells);
    this._notify();
    return answerOf(choices, cells);
  }

  /** The answer if all cells without a choice get this choice; earlier choices stay (L13). */
  rest(requestId: string, isAccepted: boolean): ReviewAnswer {
    const cells = this._cells.get(requestId) ?? [];
    const earlierChoices = this.of(requestId);
    const choices = new Map(cells.map(cell => [cell, earlierChoices.get(cell) ?? isAccepted]));
    return (cells.length === 0 ? null : answerOf(choices, cells)) ?? (isAccepted ? 'once' : 'no');
  }

  /** The changes as the person last saw them before they were made; the card still shows them. */
  changes(requestId: string): readonly CellChange[] | null {
    return this._changes.get(requestId) ?? null;
  }

  /** Keep the shown changes of an open question. */
  show(requestId: string, changes: readonly CellChange[]): void {
    if (JSON.stringify(this.changes(requestId)) !== JSON.stringify(changes)) {
      remember(this._changes, requestId, changes);
      this._notify();
    }
  }

  private readonly _choices = new Map<string, Choices>();
  private readonly _cells = new Map<string, readonly string[]>();
  private readonly _changes = new Map<string, readonly CellChange[]>();
}

function remember<T>(values: Map<string, T>, requestId: string, value: T): void {
  values.delete(requestId);
  values.set(requestId, value);
  forgetOldest(values, MOST_REVIEWS);
}

/** The answer from the choices; null if a cell has no choice yet. */
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
