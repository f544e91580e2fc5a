/** The chips of the texts that a model will read before the message. */
import { type ReactElement } from 'react';

import { MAX_CONTEXT_CHARS } from '../../composer/context-items';
import { shownName } from '../../composer/files';
import { removeText } from '../../text/texts';
import { CrossButton } from '../controls/button';
import { useLanguage, useTrans } from '../hooks';
import { type ThreadProps } from '../thread-props';

/** So many characters of a text are shown when the pointer rests on its chip. */
const MAX_PREVIEW_CHARS = 400;

export function ContextChips({ client, state }: ThreadProps): ReactElement | null {
  const trans = useTrans();
  const { locale } = useLanguage();
  if (state.context.length === 0) {
    return null;
  }
  return (
    <ul className="jp-ChatStream-chips jp-mod-context" aria-label={trans.__('Mentioned')}>
      {state.context.map(({ key, name, text, isCut }) => (
        <li
          key={key}
          className="jp-ChatStream-chip"
          data-testid="context-chip"
          title={text.slice(0, MAX_PREVIEW_CHARS)}
        >
          <bdi className="jp-ChatStream-contextName">{shownName(name)}</bdi>
          {isCut ? (
            <span className="jp-ChatStream-chipNote">
              {trans.__('cut to %1 characters', MAX_CONTEXT_CHARS.toLocaleString(locale))}
            </span>
          ) : null}
          <CrossButton
            testid="context-remove"
            className="jp-ChatStream-chipRemove"
            label={removeText(shownName(name), trans)}
            then="field"
            onClick={() => client.forget(key)}
          />
        </li>
      ))}
    </ul>
  );
}
