/** The composer: the text field, the model picker, and the buttons to send and stop. */
import {
  type KeyboardEvent,
  type ReactElement,
  useEffect,
  useLayoutEffect,
  useRef,
  useState
} from 'react';

import { type ThreadClient, type ThreadState } from '../model';
import { isUnfinished } from '../uploads';
import { AttachButton, Chips } from './attaching';
import { Button } from './button';
import { attachPasted } from './dropping';
import { useNow, useTrans } from './hooks';
import { ClockIcon } from './icons';
import { LaterPanel } from './later';
import { OWN_KEYS } from './keys';
import { ModelPicker } from './picker';
import { type StatusLine, sendingText } from './status';
import { fieldText, nextHour } from './times';

const MOST_LINES = 6;

export interface ComposerProps {
  readonly client: ThreadClient;
  readonly state: ThreadState;
  readonly status: StatusLine;
  /** The run that the Stop button stops; null if none is active. */
  readonly activeRunId: string | null;
  readonly isDisabled: boolean;
  readonly onSent: () => void;
}

export function Composer(props: ComposerProps): ReactElement {
  const trans = useTrans();
  const { client, state, isDisabled } = props;
  // The time in the panel's field; null while the panel is closed and messages are sent at once.
  const [later, setLater] = useState<string | null>(null);
  const now_ms = useNow(later);
  const mayBeSent = later === null || new Date(later).getTime() > now_ms;
  const send = async (): Promise<void> => {
    if (!mayBeSent) {
      return;
    }
    props.onSent();
    if (await client.send(later === null ? null : new Date(later))) {
      setLater(null);
    }
  };
  const isEmpty = state.draft.trim() === '' && state.attachments.length === 0;
  return (
    <div className="jp-ChatStream-composer" data-testid="composer">
      {state.problem === null ? null : <Problem client={client} text={state.problem} />}
      <div className={`jp-ChatStream-box${isDisabled ? ' jp-mod-disabled' : ''}`}>
        <Chips client={client} state={state} />
        <Field client={client} state={state} isDisabled={isDisabled} onEnter={() => void send()} />
        {later === null ? null : (
          <LaterPanel
            client={client}
            at={later}
            onChange={setLater}
            onClose={() => setLater(null)}
            onSend={() => void send()}
          />
        )}
        <div className="jp-ChatStream-bar">
          <ModelPicker client={client} state={state} isDisabled={isDisabled} />
          <Status line={props.status} />
          <StopButton client={client} state={state} runId={props.activeRunId} />
          <AttachButton client={client} isDisabled={isDisabled} />
          <Button
            testid="later"
            className="jp-mod-quiet jp-ChatStream-clock"
            label={trans.__('Send later, or see repeating messages')}
            then="stay"
            isOpen={later !== null}
            isDisabled={isDisabled}
            onClick={() => setLater(later === null ? fieldText(nextHour(Date.now())) : null)}
          >
            <ClockIcon />
          </Button>
          <SendButton
            isSending={state.isSending}
            isUploading={state.attachments.some(isUnfinished)}
            isLater={later !== null}
            isDisabled={isDisabled || isEmpty || state.isSending || !mayBeSent}
            onClick={() => void send()}
          />
        </div>
      </div>
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
          : trans.__('Send')}
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
export function StopButton(props: {
  readonly client: ThreadClient;
  readonly state: ThreadState;
  readonly runId: string | null;
}): ReactElement | null {
  const trans = useTrans();
  const { client, state, runId } = props;
  if (runId === null) {
    return null;
  }
  return (
    <Button
      testid="stop"
      className="jp-ChatStream-stop"
      isDisabled={state.acting.has(runId)}
      onClick={() => void client.command(runId, 'cancel')}
    >
      <span className="jp-ChatStream-stopIcon" aria-hidden="true" />
      {trans.__('Stop')}
    </Button>
  );
}

function Problem({ client, text }: { client: ThreadClient; text: string }): ReactElement {
  const trans = useTrans();
  return (
    <div className="jp-ChatStream-problem" data-testid="problem" role="alert">
      <span>{text}</span>
      <Button
        testid="dismiss"
        className="jp-mod-quiet"
        label={trans.__('Dismiss')}
        then="field"
        onClick={() => client.dismissProblem()}
      >
        ×
      </Button>
    </div>
  );
}

function Field(props: {
  readonly client: ThreadClient;
  readonly state: ThreadState;
  readonly isDisabled: boolean;
  readonly onEnter: () => void;
}): ReactElement {
  const { client, state, isDisabled } = props;
  const trans = useTrans();
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    if (field.current !== null) {
      grow(field.current);
    }
  }, [state.draft]);
  useEffect(() => {
    const node = field.current;
    if (node === null || typeof ResizeObserver === 'undefined') {
      return undefined;
    }
    // The width decides how the text wraps, and a cell may be drawn before it is in the page.
    let width = 0;
    const observer = new ResizeObserver(() => {
      if (node.clientWidth !== width) {
        width = node.clientWidth;
        grow(node);
      }
    });
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  const onKeyDown = (event: KeyboardEvent): void => {
    // Key code 229 is an input method's. Safari ends the composition before this Enter arrives.
    const isComposing = event.nativeEvent.isComposing || event.keyCode === 229;
    if (event.key === 'Enter' && !event.shiftKey && !isComposing) {
      event.preventDefault();
      props.onEnter();
    }
  };
  return (
    <textarea
      {...OWN_KEYS}
      ref={field}
      className="jp-ChatStream-field"
      data-testid="field"
      aria-label={trans.__('Message')}
      placeholder={
        isDisabled ? trans.__('This chat accepts no messages') : trans.__('Ask something…')
      }
      rows={1}
      spellCheck
      disabled={isDisabled}
      // While a message waits for its uploads, its text stays what it was when Send was pressed.
      readOnly={state.isSending && state.attachments.some(isUnfinished)}
      value={state.draft}
      onChange={event => client.setDraft(event.target.value)}
      onKeyDown={onKeyDown}
      onPaste={event => attachPasted(event, client)}
    />
  );
}

/** Make the field as high as its text, up to MOST_LINES; then it scrolls. */
function grow(field: HTMLTextAreaElement): void {
  const style = getComputedStyle(field);
  const line = parseFloat(style.lineHeight) || 20;
  const padding = parseFloat(style.paddingTop) + parseFloat(style.paddingBottom) || 0;
  const most = line * MOST_LINES + padding;
  field.style.height = 'auto';
  field.style.height = `${Math.min(field.scrollHeight, most)}px`;
  field.style.overflowY = field.scrollHeight > most ? 'auto' : 'hidden';
}
