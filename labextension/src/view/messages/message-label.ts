/** What a screen reader calls a message: its author and its place. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Message } from '../../protocol/records';

export function messageLabel(message: Message, position: number, trans: TranslationBundle): string {
  const author =
    message.role === 'user' ? trans.__('You') : (message.model ?? trans.__('Assistant'));
  return trans.__('%1, message %2', author, position);
}
