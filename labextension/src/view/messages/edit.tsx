/** The form in which a reader edits a question that was sent. */
import { type KeyboardEvent, type ReactElement, useLayoutEffect, useRef } from 'react';

import { openRunsBelow } from '../../fold/branch';
import { contentOf } from '../../fold/endings';
import { type Message } from '../../protocol/records';
import { type QuestionEdit, maySend } from '../../thread/branching';
import { type ThreadClient } from '../../thread/model';
import { isComposing, sends } from '../composer/field';
import { Button, focusIn, useKeptFocus } from '../controls/button';
import { OWN_KEYS } from '../controls/keys';
import { usePreferences, useTrans } from '../hooks';
import { sendingText } from '../status';

/** A longer text scrolls in the field, where the browser does not fit the field to its text. */
const MOST_ROWS = 8;

interface QuestionEditProps {
  readonly client: ThreadClient;
  readonly message: Message;
  readonly edit: QuestionEdit;
  /** Whether the reader has just opened the form here; after a reload it is there by itself. */
  readonly isFocused: boolean;
}

interface EditFormProps extends QuestionEditProps {
  /** What sending the new text does. */
  readonly note: string;
  readonly sendLabel: string;
  /** Sends the new text. Returns whether the server has taken it. */
  readonly onSend: () => Promise<boolean>;
}

/** The form for a question in the log: its new text begins a branch. */
export function QuestionEditForm(props: QuestionEditProps): ReactElement {
  const { client, message } = props;
  const trans = useTrans();
  const isStopping = openRunsBelow(client.transcript, message).length > 0;
  return (
    <EditForm
      {...props}
      note={
        isStopping
          ? trans.__('The answer to the old text will be stopped, and kept as a branch.')
          : trans.__('The old text and its answers are kept as a branch.')
      }
      sendLabel={trans.__('Send as branch')}
      onSend={() => client.branching.send(message)}
    />
  );
}

export function EditForm(props: EditFormProps): ReactElement {
  const { client, message, edit } = props;
  const trans = useTrans();
  const form = useKeptFocus<HTMLDivElement>();
  const mayBeSent = maySend(message, edit.text) && !edit.isSending;
  const send = async (): Promise<void> => {
    const chat = form.current?.closest<HTMLElement>('.jp-ChatStream') ?? null;
    if (mayBeSent && (await props.onSend()) && chat !== null) {
      focusIn(chat, 'field');
    }
  };
  const discard = (): void => {
    const around = form.current?.closest('article, li');
    client.branching.discard(message.id);
    requestAnimationFrame(() =>
      around?.querySelector<HTMLElement>('[data-testid$=edit]')?.focus({ preventScroll: true })
    );
  };
  return (
    <div
      ref={form}
      className="jp-ChatStream-edit"
      data-testid="edit-form"
      role="group"
      aria-label={trans.__('Edit the text')}
    >
      <EditField {...props} onSend={() => void send()} onDiscard={discard} />
      <div className="jp-ChatStream-editBar">
        <span className="jp-mod-muted" data-testid="edit-note">
          {props.note}
        </span>
        <Button testid="edit-discard" isDisabled={edit.isSending} onClick={discard}>
          {trans.__('Discard')}
        </Button>
        <Button
          testid="edit-send"
          className="jp-mod-accent"
          isDisabled={!mayBeSent}
          onClick={() => void send()}
        >
          {edit.isSending ? sendingText(trans) : props.sendLabel}
        </Button>
      </div>
    </div>
  );
}

function EditField(
  props: QuestionEditProps & { readonly onSend: () => void; readonly onDiscard: () => void }
): ReactElement {
  const { client, message, edit, isFocused } = props;
  const trans = useTrans();
  const { enterKey } = usePreferences(client);
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const node = field.current;
    if (isFocused && node !== null) {
      node.focus({ preventScroll: true });
      node.setSelectionRange(node.value.length, node.value.length);
    }
  }, [isFocused]);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isComposing(event)) {
      return;
    }
    if (sends(event, enterKey)) {
      event.preventDefault();
      props.onSend();
    } else if (event.key === 'Escape' && edit.text === contentOf(message)) {
      props.onDiscard(); // a changed text is not lost by one key
    }
  };
  return (
    <textarea
      {...OWN_KEYS}
      ref={field}
      className="jp-ChatStream-editField"
      data-testid="edit-field"
      aria-label={trans.__('New text')}
      dir="auto"
      rows={Math.min(MOST_ROWS, edit.text.split('\n', MOST_ROWS).length)}
      readOnly={edit.isSending}
      value={edit.text}
      onChange={event => client.branching.setText(message.id, event.target.value)}
      onKeyDown={onKeyDown}
    />
  );
}
