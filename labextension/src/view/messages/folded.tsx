/** A line that opens, and plain text in it. */
import { type ReactElement, useState } from 'react';

import { OWN_KEYS } from '../controls/keys';
import { LongText } from './bubble';

/** A line that opens. Its content is drawn only while it is open. */
export function Folded(props: {
  readonly kind: string;
  readonly summary: ReactElement | string;
  readonly children: () => ReactElement;
}): ReactElement {
  const [isOpen, setOpen] = useState(false);
  return (
    <details
      className={`jp-ChatStream-folded jp-mod-${props.kind}`}
      data-testid={props.kind}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary {...OWN_KEYS}>{props.summary}</summary>
      {isOpen ? <div className="jp-ChatStream-foldedBody">{props.children()}</div> : null}
    </details>
  );
}

export function Plain({ text }: { readonly text: string }): ReactElement {
  return (
    <pre className="jp-ChatStream-plain" {...OWN_KEYS}>
      <LongText text={text} />
    </pre>
  );
}
