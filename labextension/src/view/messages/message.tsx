/** One message, and below a reply how it ended. */
import { type ReactElement, memo, useState } from 'react';

import { contentOf, incompleteOf, isContinuable } from '../../fold/endings';
import { type LostAnswer, openQuestion, questionState } from '../../fold/questions';
import { type ReplyTimes } from '../../fold/reply-times';
import { type Message, type Run, isEnd } from '../../protocol/records';
import { type ThreadClient } from '../../thread/model';
import { Button } from '../controls/button';
import { ClockIcon } from '../controls/icons';
import { OWN_KEYS } from '../controls/keys';
import { useEdit, useLanguage, useNow, useTrans } from '../hooks';
import { isStreaming, replyLine } from '../status';
import { secondsPaceOf, spanText } from '../times';
import { Tools } from '../tools/tools';
import { Attachments } from './attachments';
import { Bubble } from './bubble';
import { QuestionEditForm } from './edit';
import { type FlowItem, flowOf } from './flow';
import { AnswerFooter, QuestionFooter } from './footer';
import { messageLabel } from './message-label';
import { PartView } from './parts';
import { QuestionView } from './question';

export interface MessageProps {
  readonly message: Message;
  /** Its place among the messages of the view, from 1 on. */
  readonly position: number;
  /** How many messages the view has. */
  readonly count: number;
  readonly run: Run | undefined;
  readonly detail: string | undefined;
  /** When its parts were written, as far as this page has seen it. */
  readonly times: ReplyTimes | undefined;
  /** How many answers come before it in the thread's queue. */
  readonly ahead: number;
  readonly client: ThreadClient;
  /** Whether a command of this page for its run is under way. */
  readonly isActing: boolean;
  /** By `request_id`: this page's replies that came too late. */
  readonly lateAnswers: ReadonlyMap<string, LostAnswer>;
  /** Whether it is the newest message: only that can be retried or continued. */
  readonly isLast: boolean;
  /** Its place among the messages that stand beside it, from 0, and their number. */
  readonly branchAt: number;
  readonly branchOf: number;
  /** Whether branches are made and chosen here: not where a single run is shown. */
  readonly mayBranch: boolean;
  /** The name of its model; empty where the chat shows it elsewhere. */
  readonly modelLabel: string;
  /** Whether its model has a price; null if the page does not know. */
  readonly isPriced: boolean | null;
  readonly isDisabled: boolean;
}

/** Draw a message; one that did not change is not drawn again. */
export const MessageView = memo(function MessageView(props: MessageProps): ReactElement {
  const { message } = props;
  const trans = useTrans();
  return (
    <article
      className={`jp-ChatStream-message jp-mod-${message.role}${props.isLast ? ' jp-mod-last' : ''}`}
      data-testid={`message-${message.role}`}
      data-message-id={message.id}
      data-run-id={message.run_id ?? undefined}
      data-question-id={message.role === 'assistant' ? (message.parent_id ?? undefined) : undefined}
      data-status={message.status}
      aria-label={messageLabel(message, props.position, trans)}
      aria-posinset={props.position}
      aria-setsize={props.count}
      tabIndex={-1}
      {...OWN_KEYS}
    >
      {message.role === 'user' ? <SentQuestion {...props} /> : <Reply {...props} />}
    </article>
  );
});

/** A person's message, or the form in which it is edited. */
function SentQuestion({ client, message, mayBranch, ...rest }: MessageProps): ReactElement {
  const edit = useEdit(client, message.id);
  const [isOpenedHere, setOpenedHere] = useState(false);
  if (edit !== null && mayBranch) {
    return (
      <>
        <Attachments message={message} />
        <QuestionEditForm client={client} message={message} edit={edit} isFocused={isOpenedHere} />
      </>
    );
  }
  const begin = (): void => {
    setOpenedHere(true);
    client.branching.begin(message);
  };
  return (
    <>
      <Question message={message} />
      <QuestionFooter
        client={client}
        message={message}
        place={{ at: rest.branchAt, of: rest.branchOf }}
        mayBranch={mayBranch}
        onEdit={begin}
      />
    </>
  );
}

/** A person's message and its attachments; without a text, the attachments alone. */
export function Question({ message }: { readonly message: Message }): ReactElement {
  const content = contentOf(message);
  const hasAttachments = message.parts.some(part => part.kind === 'attachment');
  return (
    <>
      <Attachments message={message} />
      {content === '' && hasAttachments ? null : <Bubble text={content} />}
    </>
  );
}

function Reply(props: MessageProps): ReactElement {
  const { message, run } = props;
  const hasEnded = isEnd(message.status);
  const streams = isStreaming(message, run);
  const flow = flowOf(message.parts);
  // An open question shows by itself that the run is waiting.
  const isSilent = streams || openQuestion(message, run) !== undefined;
  return (
    <>
      <div data-testid="content">
        {flow.map(item => (
          <FlowItemView key={item.index} {...props} item={item} isLastItem={item === flow.at(-1)} />
        ))}
      </div>
      {hasEnded ? <Outcome {...props} /> : isSilent ? null : <Progress {...props} />}
      {hasEnded || streams ? (
        <AnswerFooter
          {...props}
          place={{ at: props.branchAt, of: props.branchOf }}
          hasRetry={mayRetry(props)}
        />
      ) : null}
    </>
  );
}

/** One part of a reply, or the tool calls between two others. */
function FlowItemView(
  props: MessageProps & { readonly item: FlowItem; readonly isLastItem: boolean }
): ReactElement | null {
  const { message, run, times, item, isLastItem } = props;
  const hasEnded = isEnd(message.status);
  if (item.kind === 'tools') {
    const { client, isActing, isDisabled, lateAnswers } = props;
    const scope = { client, runId: message.run_id ?? '', isActing, isDisabled, lateAnswers };
    return <Tools uses={item.uses} hasEnded={hasEnded} times={times?.parts} scope={scope} />;
  }
  const { part } = item;
  if (part.kind === 'input_request') {
    return (
      <QuestionView
        part={part}
        state={questionState(part, message, run)}
        client={props.client}
        runId={message.run_id ?? ''}
        isActing={props.isActing}
        isDisabled={props.isDisabled}
        lateAnswer={props.lateAnswers.get(part.request_id)}
      />
    );
  }
  return (
    <PartView
      part={part}
      isEnded={hasEnded || !isLastItem}
      isStreaming={isLastItem && isStreaming(message, run)}
      times={times?.parts.get(item.index)}
    />
  );
}

/** What the run is doing, below the text that it has written so far. */
function Progress(props: MessageProps): ReactElement {
  const { message, run, detail, isActing, ahead } = props;
  const language = useLanguage();
  const now_ms = useNow(run?.wake_at ?? null);
  const facts = { reply: message, run, detail, isStopping: isActing, now_ms, ahead };
  const line = replyLine(facts, language);
  return (
    <div className="jp-ChatStream-progress" data-testid="progress" data-state={line.state}>
      {line.state === 'waiting' || line.state === 'retrying' ? (
        <ClockIcon />
      ) : (
        <span className="jp-ChatStream-dots" aria-hidden="true">
          <i />
          <i />
          <i />
        </span>
      )}
      <span>{line.text}</span>
      {message.status === 'processing' ? <Elapsed since={phaseBegin(props)} /> : null}
    </div>
  );
}

/** When the run's present phase began; null if this page does not know. */
function phaseBegin({ run, times }: MessageProps): string | null {
  const startedAt = run?.phase === 'thinking' ? run.started_at : null;
  return times?.phaseAt ?? startedAt;
}

/** The time since a phase has begun, by the page's clock. Screen readers would read every second. */
function Elapsed({ since }: { readonly since: string | null }): ReactElement {
  const trans = useTrans();
  const now_ms = useNow(since, secondsPaceOf);
  return (
    <span className="jp-ChatStream-elapsed" data-testid="elapsed" aria-hidden="true">
      {since === null ? '' : spanText(now_ms - Date.parse(since), trans)}
    </span>
  );
}

/** Whether the line below an answer offers to retry it. */
function mayRetry({ message, isLast, isDisabled }: MessageProps): boolean {
  const isWhole = message.status === 'completed' && incompleteOf(message) === null;
  return isEnd(message.status) && !isWhole && isLast && !isDisabled && message.run_id !== null;
}

function Outcome(props: MessageProps): ReactElement | null {
  const { message, run, detail, client, isActing } = props;
  const language = useLanguage();
  const { trans } = language;
  const incomplete = incompleteOf(message);
  if (message.status === 'completed' && incomplete === null) {
    return null;
  }
  const line = replyLine(
    { reply: message, run, detail, isStopping: false, now_ms: 0, ahead: 0 },
    language
  );
  const runId = message.run_id ?? '';
  const mayAct = mayRetry(props);
  const mayContinue = mayAct && isContinuable(message);
  return (
    <div
      className={`jp-ChatStream-outcome jp-mod-${line.state}`}
      data-testid="outcome"
      data-state={line.state}
      data-reason={incomplete?.reason}
    >
      <span className="jp-ChatStream-outcomeText">{line.text}</span>
      {mayContinue ? (
        <Button
          testid="continue"
          isDisabled={isActing}
          onClick={() => void client.command(runId, 'continue')}
          then="log"
        >
          {trans.__('Continue')}
        </Button>
      ) : null}
      {mayAct ? (
        <Button
          testid="retry"
          isDisabled={isActing}
          onClick={() => void client.command(runId, 'retry')}
          then="log"
        >
          {trans.__('Retry')}
        </Button>
      ) : null}
    </div>
  );
}
