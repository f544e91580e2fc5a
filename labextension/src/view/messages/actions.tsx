/** The actions on one message: copy it, and ask for another answer. */
import { type ReactElement, useEffect, useRef, useState } from 'react';

import { contentOf } from '../../fold/endings';
import { type Message, type Model } from '../../protocol/records';
import { copiedText, copyAsMarkdownText, notCopiedText } from '../../text/texts';
import { type ThreadClient } from '../../thread/model';
import { Button } from '../controls/button';
import { copyText } from '../controls/clipboard';
import { AgainIcon, CaretIcon, CopyIcon, DoneIcon, FailedIcon } from '../controls/icons';
import { OWN_KEYS } from '../controls/keys';
import { Popover } from '../controls/popover';
import { useModels, useTrans } from '../hooks';
import { PickerList } from '../models/picker-list';

/** How long the Copy button shows the result. */
const RESULT_MS = 1_500;

/** Copies the text of a message: exactly the stored Markdown. */
export function CopyButton({ message }: { readonly message: Message }): ReactElement {
  const trans = useTrans();
  const [result, setResult] = useState<'none' | 'copied' | 'failed'>('none');
  useEffect(() => {
    if (result === 'none') {
      return undefined;
    }
    const timer = setTimeout(() => setResult('none'), RESULT_MS);
    return () => clearTimeout(timer);
  }, [result]);
  const copy = async (): Promise<void> => {
    setResult((await copyText(contentOf(message))) ? 'copied' : 'failed');
  };
  const [label, icon] =
    result === 'none'
      ? ([copyAsMarkdownText(trans), <CopyIcon key="copy" />] as const)
      : result === 'copied'
        ? ([copiedText(trans), <DoneIcon key="done" />] as const)
        : ([notCopiedText(trans), <FailedIcon key="failed" />] as const);
  return (
    <Button
      testid="copy-message"
      className="jp-mod-quiet"
      label={label}
      onClick={() => void copy()}
    >
      {icon}
    </Button>
  );
}

interface AnotherAnswerProps {
  readonly client: ThreadClient;
  readonly message: Message;
  /** The run of the answer. */
  readonly runId: string;
  readonly isActing: boolean;
  /** Whether the same model can be asked again here. */
  readonly hasSameModel: boolean;
}

/** Ask for another answer to the same question: by the same model, or by one from a list. */
export function AnotherAnswer(props: AnotherAnswerProps): ReactElement {
  const { client, runId, isActing } = props;
  const trans = useTrans();
  return (
    <>
      {props.hasSameModel ? (
        <Button
          testid="regenerate"
          className="jp-mod-quiet"
          label={trans.__('Answer again')}
          isDisabled={isActing}
          onClick={() => void client.command(runId, 'retry')}
          then="log"
        >
          <AgainIcon />
        </Button>
      ) : null}
      <OtherModel {...props} />
    </>
  );
}

/** The button that opens the list of models, and the list. */
function OtherModel(props: AnotherAnswerProps): ReactElement {
  const { client, message, runId, isActing, hasSameModel } = props;
  const trans = useTrans();
  const button = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [close] = useState(() => () => setOpen(false));
  const models = useModels(client, isOpen);
  const label = trans.__('Answer again with another model');
  const choose = (model: Model): void => {
    close();
    button.current?.focus({ preventScroll: true });
    client.models.noteUse(model.id);
    void client.command(runId, 'retry', model.id === message.model ? {} : { model: model.id });
  };
  return (
    <>
      <button
        {...OWN_KEYS}
        ref={button}
        type="button"
        className="jp-ChatStream-button jp-mod-quiet jp-mod-narrow"
        data-testid="regenerate-with"
        aria-label={label}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        title={label}
        disabled={isActing}
        onClick={() => setOpen(!isOpen)}
      >
        {hasSameModel ? null : <AgainIcon />}
        <CaretIcon />
      </button>
      {isOpen ? (
        <Popover testid="regenerate-models" label={label} anchor={button} onClose={close}>
          <PickerList
            choices={client.models}
            state={models}
            current={message.model ?? ''}
            onChoose={choose}
          />
        </Popover>
      ) : null}
    </>
  );
}
