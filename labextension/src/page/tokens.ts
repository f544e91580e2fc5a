/** How others find us: the token of our page for extensions, the version of our widget for kernels. */
import { Token } from '@lumino/coreutils';

import { type Page } from './page';

export type IChatPage = Page;

export const IChatPage = new Token<IChatPage>(
  'jupyter-chat-stream:IChatPage',
  'The chat threads of this page, and what they are drawn with.'
);

/** Raised when the widget's traits change. Kernels ask for `^0.1.0` (kernel/chat.py). */
export const WIDGET_VERSION = '0.1.0';
