/** The parameters of a thread's answers: a button beside the picker, and the panel that it opens. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useId, useRef, useState } from 'react';

import { type ThreadClient } from '../model';
import { type Params, fits, keptParams, parameterText } from '../offer';
import { type Model, type Parameter } from '../protocol';
import { Button } from './button';
import { useTrans } from './hooks';
import { OWN_KEYS } from './keys';
import { Popover } from './popover';

export interface ParametersProps {
  readonly client: ThreadClient;
  readonly model: Model | undefined;
  readonly params: Params;
  readonly isDisabled: boolean;
}

export function ParametersButton(props: ParametersProps): ReactElement | null {
  const { client, model, isDisabled } = props;
  const trans = useTrans();
  const button = useRef<HTMLButtonElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [close] = useState(() => () => setOpen(false));
  if (model === undefined || model.parameters.length === 0) {
    return null;
  }
  const { kept } = keptParams(props.params, model);
  const set = Object.entries(kept);
  const told = set.map(([name, value]) => `${parameterText(name, trans)}: ${String(value)}`);
  const title = trans.__('Parameters');
  const label = [title, ...told].join(', ');
  return (
    <>
      <button
        {...OWN_KEYS}
        ref={button}
        type="button"
        className={`jp-ChatStream-button jp-mod-quiet jp-ChatStream-dial${
          set.length > 0 ? ' jp-mod-set' : ''
        }`}
        data-testid="parameters"
        aria-label={label}
        title={label}
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        disabled={isDisabled}
        onClick={() => setOpen(!isOpen)}
      >
        <svg className="jp-ChatStream-icon" viewBox="0 0 16 16" aria-hidden="true">
          <path d="M2 5h6m4 0h2M2 11h2m4 0h6" />
          <circle cx="10" cy="5" r="1.75" />
          <circle cx="6" cy="11" r="1.75" />
        </svg>
      </button>
      {isOpen && !isDisabled ? (
        <Popover testid="parameters-panel" label={title} anchor={button} onClose={close}>
          <Panel client={client} model={model} kept={kept} />
        </Popover>
      ) : null}
    </>
  );
}

/** A field for each parameter of the model. */
function Panel(props: {
  readonly client: ThreadClient;
  readonly model: Model;
  readonly kept: Params;
}): ReactElement {
  const { client, model, kept } = props;
  const trans = useTrans();
  const change = (name: string, value: unknown): void => {
    const { [name]: _, ...others } = kept;
    void client.change({ params: value === null ? others : { ...others, [name]: value } });
  };
  return (
    <div className="jp-ChatStream-parameters">
      <p className="jp-ChatStream-hint">
        {trans.__('For the next answers of this chat, wherever it is open.')}
      </p>
      {model.parameters.map((parameter, index) => (
        <ParameterField
          key={`${parameter.name} ${String(kept[parameter.name])}`}
          parameter={parameter}
          value={kept[parameter.name]}
          isFirst={index === 0}
          onChange={value => change(parameter.name, value)}
        />
      ))}
      <Button
        testid="parameters-reset"
        className="jp-mod-quiet"
        then="stay"
        isDisabled={Object.keys(kept).length === 0}
        onClick={() => void client.change({ params: {} })}
      >
        {trans.__('Reset all')}
      </Button>
    </div>
  );
}

interface FieldProps {
  readonly parameter: Parameter;
  readonly value: unknown;
  readonly isFirst: boolean;
  /** Called with null for the model's own value. */
  readonly onChange: (value: unknown) => void;
}

function ParameterField(props: FieldProps): ReactElement {
  const { parameter } = props;
  const trans = useTrans();
  const id = useId();
  return (
    <div className="jp-ChatStream-parameter">
      <label htmlFor={id}>{parameterText(parameter.name, trans)}</label>
      {parameter.kind === 'choice' ? (
        <select
          {...OWN_KEYS}
          id={id}
          data-testid={`parameter-${parameter.name}`}
          autoFocus={props.isFirst}
          value={typeof props.value === 'string' ? props.value : ''}
          onChange={event => props.onChange(event.target.value || null)}
        >
          <option value="">{automaticText(trans)}</option>
          {parameter.choices.map(choice => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : (
        <NumberField {...props} id={id} />
      )}
    </div>
  );
}

/** A number is sent when the field is left, or by Enter; one that does not fit is marked. */
function NumberField(props: FieldProps & { readonly id: string }): ReactElement {
  const { parameter, value } = props;
  const trans = useTrans();
  const [text, setText] = useState(typeof value === 'number' ? String(value) : '');
  const typed = text.trim() === '' ? null : Number(text);
  const isFitting = typed === null || fits(parameter, typed);
  const send = (): void => {
    if (isFitting && typed !== (value ?? null)) {
      props.onChange(typed);
    }
  };
  return (
    <input
      {...OWN_KEYS}
      id={props.id}
      data-testid={`parameter-${parameter.name}`}
      type="number"
      autoFocus={props.isFirst}
      min={parameter.least ?? undefined}
      max={parameter.most ?? undefined}
      step={parameter.kind === 'whole' ? 1 : 'any'}
      placeholder={automaticText(trans)}
      aria-invalid={!isFitting}
      title={rangeText(parameter)}
      value={text}
      onChange={event => setText(event.target.value)}
      onBlur={send}
      onKeyDown={event => {
        if (event.key === 'Enter') {
          send();
        }
      }}
    />
  );
}

function rangeText({ least, most }: Parameter): string {
  return least === null || most === null ? '' : `${least} – ${most}`;
}

/** The text for the value that the model chooses itself. */
function automaticText(trans: TranslationBundle): string {
  return trans.__('automatic');
}
