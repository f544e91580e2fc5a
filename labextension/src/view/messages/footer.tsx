/** The line below a message: its branches, who wrote it and when, and what can be done with it. */
import { type ReactElement } from 'react';

import { contentOf } from '../../fold/endings';
import { type Message, isEnd } from '../../protocol/records';
import { type ThreadClient } from '../../thread/model';
import { Button } from '../controls/button';
import { EditIcon } from '../controls/icons';
import { Toolbar } from '../controls/toolbar';
import { useTrans } from '../hooks';
import { AnswerUsageLine } from '../models/usage';
import { AnotherAnswer, CopyButton } from './actions';
import { MessageTime } from './message-time';
import { type BranchPlace, BranchSwitch } from './switch';

interface FooterProps {
  readonly client: ThreadClient;
  readonly message: Message;
  readonly place: BranchPlace;
  /** Whether the reader may make branches here and choose one. */
  readonly mayBranch: boolean;
}

interface AnswerFooterProps extends FooterProps {
  /** The name of the model that writes. */
  readonly modelLabel: string;
  readonly isPriced: boolean | null;
  readonly isActing: boolean;
  /** Whether the line above offers to retry the answer. */
  readonly hasRetry: boolean;
}

/** The line below an answer. It keeps its place from the first token on, so nothing jumps at the end. */
export function AnswerFooter(props: AnswerFooterProps): ReactElement {
  const { client, message, place, mayBranch } = props;
  const trans = useTrans();
  const hasEnded = isEnd(message.status);
  return (
    <Toolbar
      testid="answer-footer"
      className="jp-ChatStream-footer"
      label={trans.__('About this answer')}
    >
      {mayBranch && place.of > 1 ? (
        <BranchSwitch client={client} message={message} place={place} />
      ) : null}
      {props.modelLabel === '' ? null : (
        <span className="jp-ChatStream-who" data-testid="who" title={message.model ?? ''}>
          {props.modelLabel}
        </span>
      )}
      <MessageTime at={message.created_at} />
      <AnswerUsageLine message={message} isPriced={props.isPriced} />
      {hasEnded ? (
        <span className="jp-ChatStream-actions" data-testid="actions">
          {contentOf(message) === '' ? null : <CopyButton message={message} />}
          {mayBranch && message.run_id !== null ? (
            <AnotherAnswer
              client={client}
              message={message}
              runId={message.run_id}
              isActing={props.isActing}
              hasSameModel={!props.hasRetry}
            />
          ) : null}
        </span>
      ) : null}
    </Toolbar>
  );
}

/** The line below a person's message. */
export function QuestionFooter(props: FooterProps & { readonly onEdit: () => void }): ReactElement {
  const { client, message, place, mayBranch } = props;
  const trans = useTrans();
  return (
    <Toolbar
      testid="question-footer"
      className="jp-ChatStream-footer jp-mod-question"
      label={trans.__('About this message')}
    >
      <span className="jp-ChatStream-actions" data-testid="actions">
        {mayBranch ? (
          <Button
            testid="edit"
            className="jp-mod-quiet"
            label={trans.__('Edit')}
            onClick={props.onEdit}
          >
            <EditIcon />
          </Button>
        ) : null}
        {contentOf(message) === '' ? null : <CopyButton message={message} />}
      </span>
      <MessageTime at={message.created_at} />
      {mayBranch && place.of > 1 ? (
        <BranchSwitch client={client} message={message} place={place} />
      ) : null}
    </Toolbar>
  );
}
