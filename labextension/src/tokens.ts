/** The token by which other extensions request our page. */
import { Token } from '@lumino/coreutils';

import { type ChatPage } from './view/mount';

export type IChatPage = ChatPage;

export const IChatPage = new Token<IChatPage>(
  'jupyter-chat-stream:IChatPage',
  'The chat threads of this page, and what they are drawn with.'
);
