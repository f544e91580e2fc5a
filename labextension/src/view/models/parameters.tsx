/** The parameters of a thread's answers: a button beside the picker, and the panel that it opens. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useId, useState } from 'react';

import { type Params, fits, keptParams, parameterText } from '../../models/offer';
import { type Model, type Parameter } from '../../protocol/records';
import { type ThreadClient } from '../../thread/model';
import { Button } from '../controls/button';
import { Dial } from '../controls/dial';
import { SlidersIcon } from '../controls/icons';
import { OWN_KEYS } from '../controls/keys';
import { useTrans } from '../hooks';

interface ParametersProps {
  readonly client: ThreadClient;
  readonly model: Model | undefined;
  readonly params: Params;
  readonly isDisabled: boolean;
}

export function ParametersButton(props: ParametersProps): ReactElement | null {
  const { client, model, isDisabled } = props;
  const trans = useTrans();
  if (model === undefined || model.parameters.length === 0) {
    return null;
  }
  const { params } = keptParams(props.params, model);
  const set = Object.entries(params);
  const texts = set.map(([name, value]) => `${parameterText(name, trans)}: ${String(value)}`);
  const title = trans.__('Parameters');
  return (
    <Dial
      testid="parameters"
      title={title}
      label={[title, ...texts].join(', ')}
      isSet={set.length > 0}
      isDisabled={isDisabled}
      icon={<SlidersIcon />}
    >
      <Panel client={client} model={model} params={params} />
    </Dial>
  );
}

/** A field for each parameter of the model. The first has the focus when the panel opens. */
function Panel(props: {
  readonly client: ThreadClient;
  readonly model: Model;
  readonly params: Params;
}): ReactElement {
  const { client, model, params } = props;
  const trans = useTrans();
  return (
    <div className="jp-ChatStream-parameters">
      <p className="jp-ChatStream-hint">{trans.__('For all later answers in this chat.')}</p>
      {model.parameters.map((parameter, index) => (
        <ParameterField
          key={parameter.name}
          parameter={parameter}
          value={params[parameter.name]}
          isFirst={index === 0}
          onChange={value => void client.settings.set({ [parameter.name]: value }, model)}
        />
      ))}
      <Button
        testid="parameters-reset"
        className="jp-mod-quiet"
        isDisabled={Object.keys(params).length === 0}
        onClick={() =>
          void client.settings.set(
            Object.fromEntries(Object.keys(params).map(name => [name, null])),
            model
          )
        }
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

/** What the browser cannot read as a number. Its text is empty, though the field shows something. */
const UNREADABLE = Symbol('unreadable');

/** A number is sent when the field is left, or by Enter; one that does not fit is marked. */
function NumberField(props: FieldProps & { readonly id: string }): ReactElement {
  const { parameter, value } = props;
  const trans = useTrans();
  const range = rangeText(parameter, trans);
  // What somebody has typed and not left yet; null while the field shows the thread's value.
  const [draft, setDraft] = useState<string | typeof UNREADABLE | null>(null);
  const text = draft ?? (typeof value === 'number' ? String(value) : '');
  const number = text === UNREADABLE ? NaN : text.trim() === '' ? null : Number(text);
  const isFitting = number === null || fits(parameter, number);
  const send = (): void => {
    if (isFitting && draft !== null && number !== (value ?? null)) {
      props.onChange(number);
    }
  };
  return (
    <>
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
        aria-describedby={range === '' ? undefined : `${props.id}-range`}
        value={text === UNREADABLE ? '' : text}
        onChange={({ target }) => setDraft(target.validity.badInput ? UNREADABLE : target.value)}
        onBlur={() => {
          send();
          if (isFitting) {
            setDraft(null);
          }
        }}
        onKeyDown={event => {
          if (event.key === 'Enter') {
            send();
          }
        }}
      />
      {range === '' ? null : (
        <span id={`${props.id}-range`} className="jp-ChatStream-hint jp-ChatStream-range">
          {range}
        </span>
      )}
    </>
  );
}

/** The numbers that a parameter takes; empty if there is no limit. */
function rangeText({ kind, least, most }: Parameter, trans: TranslationBundle): string {
  if (kind === 'whole' && least !== null && most !== null) {
    return trans.__('a whole number from %1 to %2', least, most);
  }
  if (least !== null && most !== null) {
    return trans.__('from %1 to %2', least, most);
  }
  return least !== null
    ? trans.__('at least %1', least)
    : most !== null
      ? trans.__('at most %1', most)
      : '';
}

/** The text for the value that the model chooses itself. */
function automaticText(trans: TranslationBundle): string {
  return trans.__('automatic');
}
