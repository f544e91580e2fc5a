/** The buttons below the field: the model, what the chat does, Stop, and Send. */
import { type ReactElement } from 'react';

import { isUnfinished } from '../../composer/uploads';
import { sendText } from '../../text/texts';
import { Button } from '../controls/button';
import { ClockIcon } from '../controls/icons';
import { useTrans } from '../hooks';
import { ModelPicker } from '../models/picker';
import { type StatusLine, sendingText } from '../status';
import { type ThreadControlProps, type ThreadProps } from '../thread-props';
import { AttachButton } from './attaching';
import { type LiveContext, LiveContextButton } from './live-context';

interface BarProps extends ThreadControlProps {
  readonly status: StatusLine;
  /** The run that the Stop button stops; null if none is active. */
  readonly activeRunId: string | null;
  /** What is sent along of the notebook; null without one. */
  readonly live: LiveContext | null;
  /** Whether the panel for a later time is open. */
  readonly isLater: boolean;
  readonly mayBeSent: boolean;
  readonly onLater: () => void;
  readonly onSend: () => void;
}

export function Bar(props: BarProps): ReactElement {
  const trans = useTrans();
  const { client, state, live, isDisabled, isLater } = props;
  return (
    <div className="jp-ChatStream-bar">
      <ModelPicker client={client} state={state} isDisabled={isDisabled} />
      <Status line={props.status} />
      <StopButton client={client} state={state} runId={props.activeRunId} />
      {live === null ? null : <LiveContextButton live={live} isDisabled={isDisabled} />}
      <AttachButton client={client} isDisabled={isDisabled} />
      <Button
        testid="later"
        className="jp-mod-quiet jp-ChatStream-clock"
        label={trans.__('Send later, or see repeating messages')}
        isOpen={isLater}
        isDisabled={isDisabled}
        onClick={props.onLater}
      >
        <ClockIcon />
      </Button>
      <SendButton
        isSending={state.isSending}
        isUploading={state.attachments.some(isUnfinished)}
        isLater={isLater}
        isDisabled={isDisabled || !props.mayBeSent}
        onClick={props.onSend}
      />
    </div>
  );
}

function SendButton(props: {
  readonly isSending: boolean;
  readonly isUploading: boolean;
  readonly isLater: boolean;
  readonly isDisabled: boolean;
  readonly onClick: () => void;
}): ReactElement {
  const trans = useTrans();
  return (
    <Button
      testid="send"
      className="jp-mod-accent jp-ChatStream-send"
      then="field"
      isDisabled={props.isDisabled}
      onClick={props.onClick}
    >
      {props.isSending
        ? props.isUploading
          ? trans.__('Uploading…')
          : sendingText(trans)
        : props.isLater
          ? trans.__('Send later')
          : sendText(trans)}
    </Button>
  );
}

/** The line that tells what the chat is doing. */
export function Status({ line }: { readonly line: StatusLine }): ReactElement {
  return (
    <span
      className={`jp-ChatStream-status jp-mod-${line.state}`}
      data-testid="status"
      data-state={line.state}
      title={line.text}
    >
      {line.short ?? line.text}
    </span>
  );
}

/** The Stop button. It is there as soon as a run exists, before its first token. */
export function StopButton({
  client,
  state,
  runId
}: ThreadProps & { readonly runId: string | null }): ReactElement | null {
  const trans = useTrans();
  if (runId === null) {
    return null;
  }
  return (
    <Button
      testid="stop"
      className="jp-ChatStream-stop"
      isDisabled={state.acting.has(runId)}
      onClick={() => void client.command(runId, 'cancel')}
      then="log"
    >
      <span className="jp-ChatStream-stopIcon" aria-hidden="true" />
      {trans.__('Stop')}
    </Button>
  );
}
