/** The composer: problems, the draft's attachments, the text field, and the bar below it. */
import { type ReactElement, type RefObject, useRef, useState } from 'react';

import { type SlashCall, slashCall } from '../../composer/slash';
import { type QueuedMessage } from '../../fold/queue';
import { type ThreadClient } from '../../thread/model';
import { CrossButton } from '../controls/button';
import { useNow, useTrans } from '../hooks';
import { type StatusLine } from '../status';
import { fieldText, nextHour } from '../times';
import { type ThreadControlProps } from '../thread-props';
import { Chips } from './attaching';
import { Bar } from './bar';
import { replaceRange } from './caret';
import { type Completing, CompletionList, useCompletion } from './completion';
import { ComposerHelp } from './composer-help';
import { ContextChips } from './context-chips';
import { type ComposerFieldProps, Field } from './field';
import { LaterPanel } from './later';
import { LiveChips, type LiveContext, useLiveContext } from './live-context';
import { Queue } from './queue';
import { runCommand } from './slash-actions';

interface ComposerProps extends ThreadControlProps {
  readonly status: StatusLine;
  readonly queue: readonly QueuedMessage[];
  /** The run that the Stop button stops; null if none is active. */
  readonly activeRunId: string | null;
  readonly onSent: () => void;
}

export function Composer(props: ComposerProps): ReactElement {
  const { client, state, isDisabled } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const [node, setNode] = useState<HTMLElement | null>(null);
  const live = useLiveContext(client, state, node);
  const { time, setTime, mayBeSent, openLater } = useLater();
  const [isHelpOpen, setHelp] = useState(false);
  const { completing, call } = useCommands(props, field, openLater, () => setHelp(true));
  const send = async (): Promise<void> => {
    const slash = state.attachments.length === 0 ? slashCall(state.draft) : null;
    if (slash !== null || !mayBeSent) {
      return slash === null ? undefined : call(slash);
    }
    props.onSent();
    if (await client.send(time === null ? null : new Date(time), live?.take())) {
      setTime(null);
      live?.choice.restore();
    }
  };
  const isEmpty = state.draft.trim() === '' && state.attachments.length === 0;
  return (
    <div ref={setNode} className="jp-ChatStream-composer" data-testid="composer">
      <Queue {...props} />
      {state.problem === null ? null : <Problem client={client} text={state.problem} />}
      {isHelpOpen ? <ComposerHelp client={client} onClose={() => setHelp(false)} /> : null}
      <div className={`jp-ChatStream-box${isDisabled ? ' jp-mod-disabled' : ''}`}>
        <WrittenMessage
          {...props}
          live={live}
          field={field}
          completing={completing}
          onSend={() => void send()}
        />
        {time === null ? null : (
          <LaterPanel
            client={client}
            at={time}
            onChange={setTime}
            onClose={() => setTime(null)}
            onSend={() => void send()}
          />
        )}
        <Bar
          {...props}
          live={live}
          isLater={time !== null}
          mayBeSent={mayBeSent && !isEmpty && !state.isSending}
          onLater={() => (time === null ? openLater() : setTime(null))}
          onSend={() => void send()}
        />
      </div>
    </div>
  );
}

/** When the message is to be sent. */
interface Later {
  /** The time in the panel's field; null while the panel is closed and messages are sent at once. */
  readonly time: string | null;
  readonly setTime: (time: string | null) => void;
  readonly mayBeSent: boolean;
  readonly openLater: () => void;
}

function useLater(): Later {
  const [time, setTime] = useState<string | null>(null);
  const now_ms = useNow(time);
  const mayBeSent = time === null || new Date(time).getTime() > now_ms;
  const openLater = (): void => setTime(fieldText(nextHour(Date.now())));
  return { time, setTime, mayBeSent, openLater };
}

/** The message that is being written: its chips, its text, and the list behind `@` and `/`. */
function WrittenMessage(
  props: ComposerFieldProps & { readonly live: LiveContext | null }
): ReactElement {
  const { client, state, field, completing, isDisabled, live } = props;
  return (
    <>
      {live === null || isDisabled ? null : <LiveChips live={live} />}
      <ContextChips client={client} state={state} />
      <Chips client={client} state={state} />
      <Field {...props} />
      {completing.isOpen && !isDisabled ? (
        <CompletionList completing={completing} field={field} />
      ) : null}
    </>
  );
}

/** The list behind `@` and `/`, and the function that runs a `/` command and empties the field. */
function useCommands(
  props: ComposerProps,
  field: RefObject<HTMLTextAreaElement>,
  onLater: () => void,
  onHelp: () => void
): { readonly completing: Completing; readonly call: (slash: SlashCall) => void } {
  const { client, state, activeRunId } = props;
  const trans = useTrans();
  const setField = (text: string): void => {
    const node = field.current;
    if (node !== null) {
      replaceRange(node, 0, node.value.length, text);
    }
  };
  const call = (slash: SlashCall): void => {
    const chat = field.current?.closest('.jp-ChatStream');
    const press = (testid: string): void =>
      chat?.querySelector<HTMLElement>(`[data-testid=${testid}]`)?.click();
    if (runCommand(slash, { client, trans, activeRunId, press, onLater, onHelp })) {
      setField('');
    }
  };
  const completing = useCompletion(client, state.draft, field, command => {
    if (command.argument === null) {
      call({ command, argument: '' });
    } else {
      setField(`/${command.name} `);
    }
  });
  return { completing, call };
}

function Problem({ client, text }: { client: ThreadClient; text: string }): ReactElement {
  const trans = useTrans();
  return (
    <div className="jp-ChatStream-problem" data-testid="problem" role="alert">
      <span>{text}</span>
      <CrossButton
        testid="dismiss"
        label={trans.__('Dismiss')}
        then="field"
        onClick={() => client.tell(null)}
      />
    </div>
  );
}
