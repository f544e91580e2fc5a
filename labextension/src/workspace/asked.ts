/** The cells that were active when the questions of this page were sent, by the questions' ids. */
import { type Place } from './values';

/** So many questions are remembered; of an older one, the answer is about the last active cell. */
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

  /** An edited question is about the cell of the question that it replaces. */
  copy(from: string, to: string): void {
    const place = this._places.get(from);
    if (place !== undefined) {
      this.add(to, place);
    }
  }

  /** The place of the answer around a node; null if its question was not sent from this page. */
  of(node: Node): Place | null {
    const element = node instanceof Element ? node : node.parentElement;
    const id = element?.closest<HTMLElement>('[data-question-id]')?.dataset['questionId'];
    return id === undefined ? null : (this._places.get(id) ?? null);
  }

  private readonly _places = new Map<string, Place>();
}
