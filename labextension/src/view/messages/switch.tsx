/** The switch between the branches that begin at one place: `‹ 2/3 ›`. */
import { type MouseEvent, type ReactElement, useLayoutEffect, useRef } from 'react';

import { siblings } from '../../fold/branch';
import { type Message } from '../../protocol/records';
import { type ThreadClient } from '../../thread/model';
import { Button } from '../controls/button';
import { useTrans } from '../hooks';

/** The place of a message among its siblings, from 0; with one sibling there is no switch. */
export interface BranchPlace {
  readonly at: number;
  readonly of: number;
}

/**
 * By chat: the message whose switch gets the focus when it is drawn, and the direction in which the
 * reader goes. The switch of the message before disappears with that message.
 */
const HANDED = new WeakMap<Element, { readonly id: string; readonly step: number }>();

export function BranchSwitch(props: {
  readonly client: ThreadClient;
  readonly message: Message;
  readonly place: BranchPlace;
}): ReactElement {
  const { client, message, place } = props;
  const trans = useTrans();
  const node = useHandedFocus(message.id);
  const go = (event: MouseEvent<HTMLElement>, step: number): void => {
    const branches = siblings(client.transcript, message);
    const target =
      branches[branches.indexOf(client.transcript.messages.get(message.id) ?? message) + step];
    const chat = event.currentTarget.closest('.jp-ChatStream');
    if (target !== undefined && chat !== null) {
      HANDED.set(chat, { id: target.id, step });
      void client.branching.choose(target).then(isChosen => isChosen || HANDED.delete(chat));
    }
  };
  const text = trans.__('Branch %1 of %2', place.at + 1, place.of);
  return (
    <span
      ref={node}
      className="jp-ChatStream-switch"
      data-testid="switch"
      role="group"
      aria-label={text}
    >
      <Button
        testid="previous-branch"
        className="jp-mod-quiet"
        label={trans.__('Previous branch')}
        isDisabled={place.at === 0}
        onClick={event => go(event, -1)}
      >
        ‹
      </Button>
      <span title={text}>{`${place.at + 1}/${place.of}`}</span>
      <Button
        testid="next-branch"
        className="jp-mod-quiet"
        label={trans.__('Next branch')}
        isDisabled={place.at === place.of - 1}
        onClick={event => go(event, 1)}
      >
        ›
      </Button>
    </span>
  );
}

/** Take the focus from the switch of the sibling that was shown before, and stay on the screen. */
function useHandedFocus(messageId: string) {
  const node = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    const chat = node.current?.closest('.jp-ChatStream') ?? null;
    const handover = chat === null ? undefined : HANDED.get(chat);
    if (chat === null || handover?.id !== messageId) {
      return undefined;
    }
    const buttons = [...(node.current?.querySelectorAll('button') ?? [])];
    const ordered = handover.step < 0 ? buttons : buttons.reverse();
    ordered.find(button => !button.disabled)?.focus({ preventScroll: true });
    // The log goes to its end when its content has changed; then the switch comes back.
    let frame = requestAnimationFrame(() => {
      HANDED.delete(chat);
      frame = requestAnimationFrame(() => node.current?.scrollIntoView({ block: 'nearest' }));
    });
    return () => cancelAnimationFrame(frame);
  }, [messageId]);
  return node;
}
