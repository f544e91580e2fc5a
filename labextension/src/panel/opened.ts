/** Which thread a place shows. The side panel's is kept over a reload; a tab shows one for good. */
import { Store } from '../state/store';

export interface Opened {
  readonly threadId: string;
  /** The message to scroll to; null for the place where the reader was. */
  readonly messageId: string | null;
}

export class OpenedThread extends Store<Opened | null> {
  /** Show a thread; null shows the list only. */
  set(opened: Opened | null): void {
    this._replace(opened);
  }
}
