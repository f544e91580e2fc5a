/**
 * The field for an endpoint's key. The key goes to the server, and the page forgets it at once.
 *
 * React keeps no state of what is typed: it would copy that into an attribute of the page.
 */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type FormEvent, type ReactElement, type RefObject, useId, useRef, useState } from 'react';

import { type ModelChoices } from '../../models/model-choices';
import { type Endpoint } from '../../protocol/records';
import { saveText } from '../../text/texts';
import { Button, focusIn } from '../controls/button';
import { OWN_KEYS } from '../controls/keys';
import { useTrans } from '../hooks';

interface KeyFieldProps {
  readonly choices: ModelChoices;
  readonly endpoint: Endpoint;
  readonly hasFocus?: boolean;
  /** The part of the chat that gets the focus once the key is kept, by its test id. */
  readonly next: string;
  /** Called when the key is kept and the list of models is new. Returns whether to go on to `next`. */
  readonly onKept: () => boolean;
}

export function KeyField(props: KeyFieldProps): ReactElement {
  const { endpoint } = props;
  const trans = useTrans();
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [isEmpty, setEmpty] = useState(true);
  const { isBusy, problem, save, remove } = useKey(props, field, () => setEmpty(true));
  return (
    <form className="jp-ChatStream-key" data-testid="key" onSubmit={event => void save(event)}>
      <label htmlFor={id}>
        {endpoint.has_key
          ? trans.__('Another API key for %1', endpoint.title)
          : trans.__('API key for %1', endpoint.title)}
      </label>
      <div className="jp-ChatStream-keyRow">
        <input
          {...OWN_KEYS}
          ref={field}
          id={id}
          data-testid="key-field"
          type="password"
          autoComplete="new-password"
          spellCheck={false}
          autoFocus={props.hasFocus === true}
          aria-describedby={`${id}-hint`}
          onInput={event => setEmpty(event.currentTarget.value.trim() === '')}
        />
        <Button
          testid="key-save"
          type="submit"
          className="jp-mod-accent"
          isDisabled={isEmpty || isBusy}
          onClick={() => undefined}
        >
          {isBusy ? trans.__('Saving…') : saveText(trans)}
        </Button>
      </div>
      <KeyHint id={`${id}-hint`} endpoint={endpoint} problem={problem} />
      {endpoint.has_key ? (
        <Button
          testid="key-remove"
          className="jp-mod-quiet"
          isDisabled={isBusy}
          onClick={() => void remove()}
        >
          {trans.__('Remove the key')}
        </Button>
      ) : null}
    </form>
  );
}

/** Where the key is kept, or why the last one was not. */
function KeyHint(props: {
  readonly id: string;
  readonly endpoint: Endpoint;
  readonly problem: string | null;
}): ReactElement {
  const trans = useTrans();
  const { id, problem } = props;
  return problem === null ? (
    <p id={id} className="jp-ChatStream-hint" title={props.endpoint.where_key ?? undefined}>
      {trans.__('The server keeps it in a private file and never shows it again.')}
    </p>
  ) : (
    <p id={id} className="jp-ChatStream-keyProblem" role="alert" data-testid="key-problem">
      {problem}
    </p>
  );
}

/** Saves and removes the key. A key that was refused stays in the field, to be mended. */
function useKey(props: KeyFieldProps, field: RefObject<HTMLInputElement>, onCleared: () => void) {
  const { choices, endpoint } = props;
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const change = async (action: () => Promise<string | null>): Promise<boolean> => {
    // The button that was pressed may go; the focus stays in this part of the chat.
    field.current?.focus({ preventScroll: true });
    setBusy(true);
    const failure = await action();
    setBusy(false);
    setProblem(failure);
    return failure === null;
  };
  const save = async (event: FormEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget;
    const chat = form.closest<HTMLElement>('.jp-ChatStream'); // the form may be gone afterwards
    const key = field.current?.value.trim() ?? '';
    if (key === '' || isBusy) {
      return;
    }
    if (!(await change(() => choices.setKey(endpoint.name, key)))) {
      return;
    }
    form.reset();
    onCleared();
    const active = document.activeElement;
    const isFree = active === null || active === document.body || form.contains(active);
    if (props.onKept() && isFree && chat !== null) {
      focusIn(chat, props.next);
    }
  };
  const remove = (): Promise<boolean> => change(() => choices.removeKey(endpoint.name));
  return { isBusy, problem, save, remove };
}

export function replaceText(trans: TranslationBundle): string {
  return trans.__('Replace the key');
}
