/** The thread that a place shows. The panel's thread survives a reload; a tab never changes its thread. */
import { Store } from '../state/store';

export interface OpenTarget {
  readonly threadId: string;
  /** The message to scroll to; null keeps the reader's position. */
  readonly messageId: string | null;
}

export class OpenedThread extends Store<OpenTarget | null> {
  /** Show a thread; null shows only the list. */
  set(target: OpenTarget | null): void {
    this._replace(target);
  }
}
