/** When a message was made: in words, and exactly for a reader who points at it. */
import { type ReactElement } from 'react';

import { OWN_KEYS } from '../controls/keys';
import { useLanguage, useNow } from '../hooks';
import { agoPaceOf, agoText, exactText } from '../times';

export function MessageTime({ at }: { readonly at: string }): ReactElement | null {
  const language = useLanguage();
  const now_ms = useNow(at, agoPaceOf);
  const text = agoText(at, now_ms, language);
  const exact = exactText(at, language.locale);
  return text === '' ? null : (
    <time
      {...OWN_KEYS}
      className="jp-ChatStream-when"
      data-testid="time"
      data-exact={exact} // shown, and read, while it has the focus or the pointer
      dateTime={at}
      tabIndex={-1}
    >
      {text}
    </time>
  );
}
