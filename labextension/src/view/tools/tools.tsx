/** Tool calls: a card for each, and several in a row as one group. */
import { type ReactElement, useState } from 'react';

import { type PartTimes } from '../../fold/reply-times';
import { type ToolUse, callName, mayChange, toolState } from '../../fold/tool-calls';
import { revealHidden } from '../../text/hidden-characters';
import { OWN_KEYS } from '../controls/keys';
import { useTrans } from '../hooks';
import { ResultFiles } from '../messages/attachments';
import { BuildsOf } from './builds';
import { type ConsentScope } from './consent';
import { ToolCard } from './tool-card';

export interface ToolsProps {
  readonly uses: readonly ToolUse[];
  /** Whether the reply has ended. */
  readonly hasEnded: boolean;
  /** By the index of a part: when the call was made and when its result came. */
  readonly times: ReadonlyMap<number, PartTimes> | undefined;
  readonly scope: ConsentScope;
}

/**
 * One card, or a group of several cards. A group is open while a call runs, and folded when all calls are
 * done. The files of the results stand below the cards, because a folded card would hide them.
 */
export function Tools(props: ToolsProps): ReactElement {
  const { uses, hasEnded, times, scope } = props;
  const [first] = uses;
  return (
    <>
      {uses.length === 1 && first !== undefined ? (
        <ToolCard use={first} hasEnded={hasEnded} times={times?.get(first.index)} scope={scope} />
      ) : (
        <ToolGroup {...props} />
      )}
      <ResultFiles uses={uses} />
      <BuildsOf uses={uses} client={scope.client} isDisabled={scope.isDisabled} />
    </>
  );
}

function ToolGroup({ uses, hasEnded, times, scope }: ToolsProps): ReactElement {
  const trans = useTrans();
  // The reader's choice. A folded group opens again when a call asks for consent.
  const [wish, setWish] = useState<{ isOpen: boolean; isAsking: boolean } | null>(null);
  const states = uses.map(use => toolState(use, hasEnded));
  const isAsking = states.includes('asks');
  const isKept = wish !== null && (wish.isOpen || wish.isAsking === isAsking);
  const isOpen = isKept ? wish.isOpen : states.some(mayChange);
  const failedCount = states.filter(state => state === 'failed' || state === 'interrupted').length;
  const names = [...new Set(uses.map(callName))].filter(name => name !== '');
  return (
    <details
      className="jp-ChatStream-folded jp-mod-toolGroup"
      data-testid="tool-group"
      open={isOpen}
      onToggle={({ currentTarget: { open } }) => {
        if (open !== isOpen) {
          setWish({ isOpen: open, isAsking });
        }
      }}
    >
      <summary {...OWN_KEYS}>
        <span className="jp-ChatStream-tag">
          {trans._n('%1 tool call', '%1 tool calls', uses.length)}
        </span>
        <code dir="auto">{revealHidden(names.join(', '))}</code>
        {isAsking ? (
          <span className="jp-ChatStream-toolFact">{trans.__('one asks you')}</span>
        ) : failedCount === 0 ? null : (
          <span className="jp-ChatStream-toolFact">
            {trans._n('%1 failed', '%1 failed', failedCount)}
          </span>
        )}
      </summary>
      {isOpen ? (
        <div
          className="jp-ChatStream-toolCards"
          onClick={({ target }) => {
            if (target instanceof Element && target.closest('[data-testid=consent]') === null) {
              setWish({ isOpen: true, isAsking });
            }
          }}
          onInput={() => setWish({ isOpen: true, isAsking })} // a fold would hide the text
        >
          {uses.map(use => (
            <ToolCard
              key={use.index}
              use={use}
              hasEnded={hasEnded}
              times={times?.get(use.index)}
              scope={scope}
            />
          ))}
        </div>
      ) : null}
    </details>
  );
}
