/** A dialog that shows one image as large as the page allows. Escape and a click beside it close it. */
import { type ReactElement, type ReactNode, useLayoutEffect, useRef } from 'react';

import { closeText } from '../../text/texts';
import { useTrans } from '../hooks';
import { Button } from './button';

interface LightboxProps {
  readonly url: string;
  /** Cleaned by `shownName`. */
  readonly name: string;
  readonly facts: ReactNode;
  readonly download: ReactNode;
  readonly onClose: () => void;
}

export function Lightbox(props: LightboxProps): ReactElement {
  const trans = useTrans();
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const node = dialog.current;
    node?.showModal(); // the browser keeps the focus inside, and returns it at the end
    return () => node?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      className="jp-ChatStream-lightbox"
      data-testid="lightbox"
      aria-label={trans.__('Image: %1', props.name)}
      onCancel={props.onClose}
      onClick={event => event.target === event.currentTarget && props.onClose()}
    >
      <div className="jp-ChatStream-lightboxFrame">
        <img src={props.url} alt={props.name} />
        <div className="jp-ChatStream-lightboxBar">
          <span className="jp-ChatStream-lightboxName">{props.name}</span>
          {props.facts}
          {props.download}
          <Button testid="lightbox-close" onClick={props.onClose}>
            {closeText(trans)}
          </Button>
        </div>
      </div>
    </dialog>
  );
}
