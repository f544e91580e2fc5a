/** Texts that the panel uses in several places. */
import { type TranslationBundle } from '@jupyterlab/translation';

export function chatText(trans: TranslationBundle): string {
  return trans.__('Chat');
}

export function newChatText(trans: TranslationBundle): string {
  return trans.__('New Chat');
}

export function chatsText(trans: TranslationBundle): string {
  return trans.__('Chats');
}
