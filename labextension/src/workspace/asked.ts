/** The cells that were active when the questions of this page were sent, by the runs that answer. */
import { type Place } from './values';

/** So many runs are remembered; of an older one, the answer is about the last active cell. */
const MOST_RUNS = 200;

export class AskedPlaces {
  add(runId: string, place: Place): void {
    this._places.set(runId, place);
    for (const oldest of this._places.keys()) {
      if (this._places.size <= MOST_RUNS) {
        break;
      }
      this._places.delete(oldest);
    }
  }

  /** The place of the answer around a node; null if its question was not sent from this page. */
  of(node: Node): Place | null {
    const element = node instanceof Element ? node : node.parentElement;
    const runId = element?.closest<HTMLElement>('[data-run-id]')?.dataset['runId'];
    return runId === undefined ? null : (this._places.get(runId) ?? null);
  }

  private readonly _places = new Map<string, Place>();
}
