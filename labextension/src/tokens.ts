/** What other extensions may ask for. */
import { Token } from '@lumino/coreutils';

import { type ChatPage } from './view/mount';

export type IChatPage = ChatPage;

export const IChatPage = new Token<IChatPage>(
  'jupyter-chat-stream:IChatPage',
  'The threads of this page, and the services to draw them.'
);
