/** What can be typed in the composer: `/` commands, `@` mentions, and keys. */
import { type ReactElement } from 'react';

import { SLASH_COMMANDS } from '../../composer/slash';
import { KINDS } from '../../mentions/query';
import { closeText, sendText } from '../../text/texts';
import { type ThreadClient } from '../../thread/model';
import { Button } from '../controls/button';
import { usePreferences, useTrans } from '../hooks';
import { detailText, optionText } from './option-texts';

export function ComposerHelp(props: {
  readonly client: ThreadClient;
  readonly onClose: () => void;
}): ReactElement {
  const trans = useTrans();
  const { enterKey } = usePreferences(props.client);
  const isSending = enterKey === 'send';
  const options = [
    ...SLASH_COMMANDS.map(command => ({ kind: 'command', command }) as const),
    ...KINDS.map(of => ({ kind: 'kind', of }) as const)
  ];
  const keys = [
    [isSending ? 'Enter' : 'Shift+Enter', sendText(trans)],
    [isSending ? 'Shift+Enter' : 'Enter', trans.__('Begin a new line')],
    ['Ctrl+Enter, ⌘Enter', trans.__('Send (works with either setting)')],
    ['↑ ↓', trans.__('Sent messages, at the first and the last line')]
  ] as const;
  return (
    <section
      className="jp-ChatStream-help"
      data-testid="composer-help"
      aria-label={trans.__('What can be typed here')}
    >
      <dl>
        {options.map(option => (
          <div key={optionText(option, trans)}>
            <dt>{optionText(option, trans)}</dt>
            <dd>{detailText(option, trans)}</dd>
          </div>
        ))}
        {keys.map(([key, text]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <p>{trans.__('To send a text that begins with a slash, type a space before it.')}</p>
      <Button testid="help-close" then="field" onClick={props.onClose}>
        {closeText(trans)}
      </Button>
    </section>
  );
}
