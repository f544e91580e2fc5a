/** The queue above the composer: the messages that wait for another answer to end. */
import { type ReactElement, useState } from 'react';

import { shownName } from '../../composer/files';
import { contentOf } from '../../fold/endings';
import { type QueuedMessage } from '../../fold/queue';
import { type Message } from '../../protocol/records';
import { saveText } from '../../text/texts';
import { Button, CrossButton } from '../controls/button';
import { EditIcon } from '../controls/icons';
import { useEdit, useTrans } from '../hooks';
import { EditForm } from '../messages/edit';
import { type ThreadControlProps } from '../thread-props';

interface QueueProps extends ThreadControlProps {
  readonly queue: readonly QueuedMessage[];
}

export function Queue(props: QueueProps): ReactElement | null {
  const trans = useTrans();
  const { queue } = props;
  if (queue.length === 0) {
    return null;
  }
  const title = trans._n('%1 message in the queue', '%1 messages in the queue', queue.length);
  return (
    <section className="jp-ChatStream-queue" data-testid="queue" aria-label={trans.__('Queue')}>
      <p className="jp-ChatStream-queueTitle">{title}</p>
      <ol className="jp-ChatStream-queueList">
        {queue.map(queued => (
          <QueueItem key={queued.message.id} {...props} queued={queued} />
        ))}
      </ol>
    </section>
  );
}

function QueueItem(props: QueueProps & { readonly queued: QueuedMessage }): ReactElement {
  const { client, queued } = props;
  const { message, run } = queued;
  const trans = useTrans();
  const edit = useEdit(client, message.id);
  const [isFocused, setFocused] = useState(false);
  return (
    <li
      className="jp-ChatStream-queued"
      data-testid="queued"
      data-message-id={message.id}
      data-run-id={run.id}
    >
      {edit !== null && !props.isDisabled ? (
        <EditForm
          client={client}
          message={message}
          edit={edit}
          isFocused={isFocused}
          note={trans.__('The message keeps its place in the queue.')}
          sendLabel={saveText(trans)}
          onSend={() => client.branching.rewrite(message, run.id)}
        />
      ) : (
        <QueuedText
          {...props}
          onEdit={() => {
            setFocused(true);
            client.branching.begin(message);
          }}
        />
      )}
    </li>
  );
}

function QueuedText(
  props: QueueProps & { readonly queued: QueuedMessage; readonly onEdit: () => void }
): ReactElement {
  const { client, state, isDisabled } = props;
  const { message, run } = props.queued;
  const trans = useTrans();
  const text = contentOf(message).trim();
  const names = namesOf(message);
  const isActing = isDisabled || state.acting.has(run.id);
  return (
    <>
      <span className="jp-ChatStream-queuedText">
        {text === '' ? null : (
          <bdi className="jp-ChatStream-queuedWords" data-testid="queued-text">
            {text}
          </bdi>
        )}
        {names.length === 0 ? null : (
          <span className="jp-ChatStream-queuedNames jp-mod-muted">
            {trans.__('With %1', names.join(', '))}
          </span>
        )}
      </span>
      <Button
        testid="queued-edit"
        className="jp-mod-quiet jp-ChatStream-clock"
        label={trans.__('Edit this message')}
        isDisabled={isActing}
        onClick={props.onEdit}
      >
        <EditIcon />
      </Button>
      <CrossButton
        testid="queued-remove"
        className="jp-ChatStream-chipRemove"
        label={trans.__('Remove this message from the queue')}
        then="field"
        isDisabled={isActing}
        onClick={() => void client.command(run.id, 'withdraw')}
      />
    </>
  );
}

/** The names of what a message brings beside its text. */
function namesOf(message: Message): readonly string[] {
  return message.parts.flatMap(part => (part.kind === 'attachment' ? shownName(part.name) : []));
}
