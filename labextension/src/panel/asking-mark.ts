/** The mark of the panel's icon, for chats that wait for an answer. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type Widget } from '@lumino/widgets';

import { type ThreadList } from '../threads/list';
import { chatsText } from './texts';

/** Mark the icon of the panel while chats of the list wait for an answer, until it is disposed. */
export function markAsking(
  panel: Widget,
  list: Pick<ThreadList, 'getState' | 'subscribe'>,
  trans: TranslationBundle
): void {
  const { title } = panel;
  const end = list.subscribe(() => {
    const count = list.getState().asking.length;
    title.className = count > 0 ? 'jp-ChatStream-asking' : '';
    title.caption =
      count > 0
        ? trans._n('%1 chat waits for your answer', '%1 chats wait for your answer', count)
        : chatsText(trans);
  });
  panel.disposed.connect(end);
}
