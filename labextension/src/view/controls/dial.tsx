/** A button of the composer's bar that opens a panel in which something of the chat is set. */
import { type ReactElement, type ReactNode, useRef, useState } from 'react';

import { OWN_KEYS } from './keys';
import { Popover } from './popover';

interface DialProps {
  readonly testid: string;
  /** The name of the panel. */
  readonly title: string;
  /** The label of the button: the title, and what is set. */
  readonly label: string;
  /** Whether something is set that is not the default. */
  readonly isSet: boolean;
  readonly isDisabled: boolean;
  readonly icon: ReactElement;
  /** What the panel shows; drawn while it is open. */
  readonly children: ReactNode;
}

export function Dial(props: DialProps): ReactElement {
  const { testid, title, label, isSet, isDisabled, icon, children } = props;
  const button = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [close] = useState(() => () => setOpen(false));
  return (
    <>
      <button
        {...OWN_KEYS}
        ref={button}
        type="button"
        className={`jp-ChatStream-button jp-mod-quiet jp-ChatStream-dial${isSet ? ' jp-mod-set' : ''}`}
        data-testid={testid}
        aria-label={label}
        title={label}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        disabled={isDisabled}
        onClick={() => setOpen(!isOpen)}
      >
        {icon}
      </button>
      {isOpen && !isDisabled ? (
        <Popover testid={`${testid}-panel`} label={title} anchor={button} onClose={close}>
          {children}
        </Popover>
      ) : null}
    </>
  );
}
