/** Remembers which cell was active when this page sent a question, by the question's id. */
import { type Place } from './values';

/** How many questions are remembered. The answer to an older question is about the last active cell. */
const MOST_QUESTIONS = 200;

export class AskedPlaces {
  add(messageId: string, place: Place): void {
    this._places.set(messageId, place);
    for (const oldest of this._places.keys()) {
      if (this._places.size <= MOST_QUESTIONS) {
        break;
      }
      this._places.delete(oldest);
    }
  }

  /** Remember for an edited question the cell of the question that it replaces. */
  copy(from: string, to: string): void {
    const place = this._places.get(from);
    if (place !== undefined) {
      this.add(to, place);
    }
  }

  /** The place of the answer that contains a node; null if this page did not send its question. */
  of(node: Node): Place | null {
    const element = node instanceof Element ? node : node.parentElement;
    const id = element?.closest<HTMLElement>('[data-question-id]')?.dataset['questionId'];
    return id === undefined ? null : (this._places.get(id) ?? null);
  }

  private readonly _places = new Map<string, Place>();
}
