/** Draws a proposal in a notebook. */
import { type ReactElement, StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { type Page } from '../page/page';
import { type ThreadClient } from '../thread/model';
import { Button } from '../view/controls/button';
import { SUPPRESS_SHORTCUTS } from '../view/controls/keys';
import { ServicesProvider, useThread, useTrans, useWorkspace } from '../view/hooks';
import {
  CellChangeView,
  Misfits,
  acceptAllText,
  changeTitle,
  rejectAllText,
  useChoices
} from '../view/tools/cell-change';
import { Visibility } from '../view/visibility';
import { type Choices, type ReviewAnswer } from '../workspace/reviews';
import { type ProposalNode, type ShownProposal } from './proposals-at-cells';

/** Events that must not reach the notebook, because its keys are commands. */
const OURS = ['keydown', 'keyup', 'keypress'] as const;

/** Make the node of a proposal at a cell, or of its bar. */
export function draw(page: Page, kind: 'cell' | 'bar'): ProposalNode {
  const node = document.createElement('div');
  node.className =
    kind === 'bar'
      ? 'jp-ChatStream jp-ChatStream-proposalBar'
      : 'jp-ChatStream jp-ChatStream-proposal';
  node.tabIndex = -1; // takes the focus while the buttons are disabled, during the sending of an answer
  node.setAttribute(SUPPRESS_SHORTCUTS, 'true');
  node.dataset['testid'] = kind === 'bar' ? 'proposal-bar' : 'proposal';
  const stop = (event: Event): void => event.stopPropagation();
  OURS.forEach(type => node.addEventListener(type, stop));
  const root = createRoot(node);
  const visibility = new Visibility(node);
  const { ticker, threads } = page;
  const services = { markdown: page.services, ticker, visibility, files: threads.files };
  return {
    node,
    show: props => {
      const client = threads.find(props.proposal.threadId);
      root.render(
        <StrictMode>
          <ServicesProvider value={services}>
            {client === undefined ? null : <ProposalView {...props} client={client} />}
          </ServicesProvider>
        </StrictMode>
      );
    },
    dispose: () => {
      node.remove();
      visibility.dispose();
      // React may be rendering now, and must not be unmounted while it does.
      queueMicrotask(() => root.unmount());
    }
  };
}

type ProposalProps = ShownProposal & { readonly client: ThreadClient };

function ProposalView(props: ProposalProps): ReactElement {
  const { proposal, change, changes, client } = props;
  const { requestId, runId } = proposal;
  const trans = useTrans();
  const reviews = useWorkspace()?.reviews;
  const choices = useChoices(requestId);
  const isActing = useThread(client).acting.has(runId);
  const send = (answer: ReviewAnswer | null, node: HTMLElement): void => {
    if (answer !== null) {
      node.closest<HTMLElement>(`div[${SUPPRESS_SHORTCUTS}][tabindex='-1']`)?.focus();
      void client.answer(runId, requestId, answer);
    }
  };
  if (change === null) {
    const sendRest = (isAccepted: boolean, node: HTMLElement): void =>
      send(reviews?.rest(requestId, isAccepted) ?? null, node);
    return <Bar {...props} choices={choices} isActing={isActing} sendRest={sendRest} />;
  }
  const cells = changes.map(({ cell }) => cell);
  const choose = (isAccepted: boolean, node: HTMLElement): void => {
    if (cells.length === 1) {
      send(isAccepted ? 'once' : 'no', node);
    } else {
      send(reviews?.choose(requestId, change.cell, isAccepted, cells) ?? null, node);
    }
  };
  const choice = choices.get(change.cell);
  return (
    <CellChangeView
      change={change}
      verdict={choice === undefined ? null : choice ? 'accepted' : 'refused'}
      isDisabled={isActing}
      onChoose={proposal.isPartial || cells.length === 1 ? choose : undefined}
    >
      {changes.length > 1 ? (
        <NextButton {...props} label={trans.__('Next change')} text="↓" by={1} />
      ) : null}
    </CellChangeView>
  );
}

/** The button that moves to the diff of another cell. */
function NextButton(
  props: ProposalProps & { readonly label: string; readonly text: string; readonly by: number }
): ReactElement {
  const { changes, change, by } = props;
  const trans = useTrans();
  const at = changes.findIndex(({ cell }) => cell === change?.cell);
  const next = changes[(at + by + changes.length) % changes.length];
  return (
    <Button
      testid="next-change"
      className="jp-mod-quiet"
      label={next === undefined ? props.label : `${props.label}: ${changeTitle(next, trans)}`}
      then="stay"
      onClick={() => {
        if (next !== undefined) {
          props.go(next.cell);
        }
      }}
    >
      {props.text}
    </Button>
  );
}

interface ProposalBarProps extends ProposalProps {
  readonly choices: Choices;
  readonly isActing: boolean;
  /** Answer with one choice for all cells without a choice. */
  readonly sendRest: (isAccepted: boolean, node: HTMLElement) => void;
}

function Bar(props: ProposalBarProps): ReactElement {
  const { changes, choices, isActing, sendRest } = props;
  const trans = useTrans();
  const count = changes.length;
  const remaining = changes.filter(({ cell }) => !choices.has(cell)).length;
  const text = trans._n(
    'The chat proposes %1 change',
    'The chat proposes %1 changes',
    count,
    count
  );
  const remainingText = remaining < count ? trans.__('%1 to decide', remaining) : '';
  return (
    <section className="jp-ChatStream-proposalBarBody" aria-label={trans.__('Proposed changes')}>
      <span>{[text, remainingText].filter(part => part !== '').join(' · ')}</span>
      <Misfits changes={changes} choices={choices} isSpoken />
      <span className="jp-ChatStream-proposalButtons">
        <NextButton {...props} label={trans.__('Show the first change')} text="↓" by={1} />
        <Button
          testid="accept-all"
          className="jp-mod-accent"
          isDisabled={isActing}
          then="stay"
          onClick={event => sendRest(true, event.currentTarget)}
        >
          {acceptAllText(choices, trans)}
        </Button>
        <Button
          testid="reject-all"
          isDisabled={isActing}
          then="stay"
          onClick={event => sendRest(false, event.currentTarget)}
        >
          {rejectAllText(choices, trans)}
        </Button>
      </span>
    </section>
  );
}
