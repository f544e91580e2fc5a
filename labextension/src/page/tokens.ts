/** The public names: the token of our page for other extensions, the version of our widget for kernels. */
import { Token } from '@lumino/coreutils';

import { type Page } from './page';

export type IChatPage = Page;

export const IChatPage = new Token<IChatPage>(
  'jupyter-chat-stream:IChatPage',
  'The chat threads of this page, and the parts that draw them.'
);

/** Raise this when the widget's traits change. Kernels require `^0.1.0` (kernel/chat.py). */
export const WIDGET_VERSION = '0.1.0';
