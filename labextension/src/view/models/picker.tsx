/** The model picker: a button with the model's name, and the list that it opens. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useRef, useState } from 'react';

import { type ModelsState } from '../../models/model-choices';
import { parameterText } from '../../models/offer';
import { type Model } from '../../protocol/records';
import { type ThreadClient } from '../../thread/model';
import { CrossButton } from '../controls/button';
import { CaretIcon } from '../controls/icons';
import { OWN_KEYS } from '../controls/keys';
import { Popover } from '../controls/popover';
import { useModels, useTrans } from '../hooks';
import { ToolMenuButton } from '../tools/tool-menu';
import { type ThreadControlProps } from '../thread-props';
import { ParametersButton } from './parameters';
import { PickerList, modelsText } from './picker-list';

/** The buttons of the model, its parameters and the tools, and what a change of the model has removed. */
export function ModelPicker({ client, state, isDisabled }: ThreadControlProps): ReactElement {
  const models = useModels(client);
  const [removedNames, setRemovedNames] = useState<readonly string[]>([]);
  const thread = state.transcript.thread;
  // Parameters and tools are replaced as a whole: before the thread is here, a change would lose some.
  const isHere = thread !== null && state.link !== 'connecting';
  const current = thread?.model ?? models.list?.default ?? '';
  const model = models.list?.models.find(other => other.id === current);
  const choose = async (choice: Model): Promise<void> => {
    const otherNames = await client.settings.choose(choice);
    if (otherNames !== null) {
      client.models.noteUse(choice.id);
      setRemovedNames(otherNames);
    }
  };
  return (
    <>
      <PickerButton
        client={client}
        models={models}
        current={current}
        model={model}
        isDisabled={isDisabled}
        onChoose={choice => void choose(choice)}
      />
      <ParametersButton
        key={current}
        client={client}
        model={model}
        params={state.params}
        isDisabled={isDisabled || !isHere}
      />
      <ToolMenuButton client={client} isDisabled={isDisabled || !isHere} />
      {removedNames.length === 0 ? null : (
        <Dropped
          names={removedNames}
          model={model?.label ?? current}
          onClose={() => setRemovedNames([])}
        />
      )}
    </>
  );
}

function Dropped(props: {
  readonly names: readonly string[];
  readonly model: string;
  readonly onClose: () => void;
}): ReactElement {
  const trans = useTrans();
  const names = props.names.map(name => parameterText(name, trans)).join(', ');
  const text = trans.__('%1 does not accept %2, so it was removed.', props.model, names);
  return (
    <span className="jp-ChatStream-dropped" data-testid="dropped">
      <span role="status" title={text}>
        {text}
      </span>
      <CrossButton
        testid="dropped-hide"
        label={trans.__('Hide this')}
        then="field"
        onClick={props.onClose}
      />
    </span>
  );
}

function PickerButton(props: {
  readonly client: ThreadClient;
  readonly models: ModelsState;
  readonly current: string;
  readonly model: Model | undefined;
  readonly isDisabled: boolean;
  readonly onChoose: (model: Model) => void;
}): ReactElement {
  const { client, models, current, model, isDisabled } = props;
  const trans = useTrans();
  const button = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [close] = useState(() => () => setOpen(false));
  const label = model === undefined ? current || trans.__('no model') : labelOf(model, trans);
  const toggle = (): void => {
    void client.models.load();
    setOpen(!isOpen);
  };
  const choose = (choice: Model): void => {
    close();
    button.current?.focus({ preventScroll: true });
    props.onChoose(choice);
  };
  return (
    <>
      <button
        {...OWN_KEYS}
        ref={button}
        type="button"
        className="jp-ChatStream-model"
        data-testid="model"
        data-value={current}
        aria-label={trans.__('Model: %1', label)}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        title={current}
        disabled={isDisabled}
        onClick={toggle}
        onKeyDown={event => {
          if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
            event.preventDefault();
            toggle();
          }
        }}
      >
        <span className="jp-ChatStream-modelName">{label}</span>
        <CaretIcon />
      </button>
      {isOpen && !isDisabled ? (
        <Popover testid="models" label={modelsText(trans)} anchor={button} onClose={close}>
          <PickerList choices={client.models} state={models} current={current} onChoose={choose} />
        </Popover>
      ) : null}
    </>
  );
}

/** A model's label. It tells canned demo answers from real ones, and why a model is not ready. */
export function labelOf(model: Model, trans: TranslationBundle): string {
  const isSaid = model.label.toLowerCase().includes('canned');
  const label = model.canned && !isSaid ? trans.__('%1 (demo: canned)', model.label) : model.label;
  if (model.error !== null) {
    return trans.__('%1 (not available)', label);
  }
  return model.ready ? label : trans.__('%1 (needs an API key)', label);
}
