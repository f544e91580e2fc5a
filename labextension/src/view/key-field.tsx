/** The field for an endpoint's key. The key goes to the server; the page forgets it at once. */
import { type FormEvent, type ReactElement, useId, useState } from 'react';

import { type ModelChoices } from '../model-choices';
import { type Endpoint } from '../protocol';
import { Button } from './button';
import { useTrans } from './hooks';
import { OWN_KEYS } from './keys';

export interface KeyFieldProps {
  readonly choices: ModelChoices;
  readonly endpoint: Endpoint;
  readonly hasFocus?: boolean;
  /** Called when the key is kept and the list of models is new. */
  readonly onKept: () => void;
}

export function KeyField(props: KeyFieldProps): ReactElement {
  const { choices, endpoint, onKept } = props;
  const trans = useTrans();
  const id = useId();
  const [key, setKey] = useState('');
  const [isSaving, setSaving] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const save = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (key.trim() === '' || isSaving) {
      return;
    }
    setSaving(true);
    const failure = await choices.setKey(endpoint.name, key.trim());
    setSaving(false);
    setProblem(failure);
    if (failure === null) {
      setKey('');
      onKept();
    }
  };
  return (
    <form className="jp-ChatStream-key" data-testid="key" onSubmit={event => void save(event)}>
      <label htmlFor={id}>{trans.__('API key for %1', endpoint.title)}</label>
      <div className="jp-ChatStream-keyRow">
        <input
          {...OWN_KEYS}
          id={id}
          data-testid="key-field"
          type="password"
          autoComplete="off"
          spellCheck={false}
          autoFocus={props.hasFocus === true}
          value={key}
          onChange={event => setKey(event.target.value)}
        />
        <Button
          testid="key-save"
          type="submit"
          then="stay"
          className="jp-mod-accent"
          isDisabled={key.trim() === '' || isSaving}
          onClick={() => undefined}
        >
          {isSaving ? trans.__('Saving…') : trans.__('Save')}
        </Button>
      </div>
      {problem === null ? (
        <p className="jp-ChatStream-hint" title={endpoint.where_key ?? undefined}>
          {trans.__('The server keeps it in a private file and never shows it again.')}
        </p>
      ) : (
        <p className="jp-ChatStream-keyProblem" role="alert" data-testid="key-problem">
          {problem}
        </p>
      )}
    </form>
  );
}
