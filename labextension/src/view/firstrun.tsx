/** The card of an empty chat on a server where only the demo answers: three ways to begin. */
import { type ReactElement, useState } from 'react';

import { type ThreadClient } from '../model';
import { type ModelsState } from '../model-choices';
import { firstReal, isReal, lacksKey } from '../offer';
import { type Endpoint, type ModelList } from '../protocol';
import { Button, focusIn } from './button';
import { useTrans } from './hooks';
import { KeyField } from './key-field';
import { OWN_KEYS } from './keys';
import { lookingText } from './picker-list';

const LOCAL_LINES = "pip install 'jupyter-chat-stream[openai]'\nollama pull qwen3:8b\njupyter lab";

const TOUR = 'demo/tour';

/** Whether the server has no model that answers for real. */
export function isFirstRun({ list }: ModelsState): boolean {
  return list !== null && !list.models.some(isReal);
}

export function FirstRun(props: {
  readonly client: ThreadClient;
  readonly models: ModelsState;
}): ReactElement | null {
  const { client, models } = props;
  const trans = useTrans();
  const { list } = models;
  if (list === null) {
    return null;
  }
  const takeFirst = (endpoint: string | null): void => {
    const now = client.models.getState().list;
    const found = now === null ? undefined : firstReal(now, endpoint);
    if (found !== undefined) {
      void client.change({ model: found.id });
    }
  };
  const refresh = async (): Promise<void> => {
    await client.models.load(true);
    takeFirst(null);
  };
  return (
    <section className="jp-ChatStream-firstRun" data-testid="first-run">
      <h3>{trans.__('Choose who answers')}</h3>
      <div className="jp-ChatStream-ways">
        <KeyPart client={client} list={list} onKept={takeFirst} />
        <div className="jp-ChatStream-way">
          <h4>{trans.__('Use a local server')}</h4>
          <p>
            {trans.__('Ollama, llama.cpp, LM Studio and vLLM are found by themselves. For Ollama:')}
          </p>
          <pre>{LOCAL_LINES}</pre>
          <Button
            testid="first-run-refresh"
            then="stay"
            isDisabled={models.isLoading}
            onClick={() => void refresh()}
          >
            {models.isLoading ? lookingText(trans) : trans.__('Look again')}
          </Button>
        </div>
        <div className="jp-ChatStream-way">
          <h4>{trans.__('Look around with the demo')}</h4>
          <p>{trans.__('Its answers were written beforehand. It needs no key and no network.')}</p>
          <DemoButton client={client} />
        </div>
      </div>
    </section>
  );
}

/** The part for a key: a field, or where the keys of this server come from. */
function KeyPart(props: {
  readonly client: ThreadClient;
  readonly list: ModelList;
  readonly onKept: (endpoint: string) => void;
}): ReactElement | null {
  const trans = useTrans();
  const lacking = props.list.endpoints.filter(lacksKey);
  const open = lacking.filter(endpoint => endpoint.can_set_key);
  const [name, setName] = useState<string | null>(null);
  const chosen = open.find(endpoint => endpoint.name === name) ?? open[0];
  if (lacking.length === 0) {
    return null;
  }
  return (
    <div className="jp-ChatStream-way">
      <h4>{trans.__('Paste a key')}</h4>
      {chosen === undefined ? (
        <p>{trans.__('Keys cannot be entered here. Ask whoever runs this server.')}</p>
      ) : (
        <>
          <EndpointTabs endpoints={open} chosen={chosen} onChoose={setName} />
          {chosen.error === null ? null : <p data-testid="endpoint-error">{chosen.error}</p>}
          <KeyField
            key={chosen.name}
            choices={props.client.models}
            endpoint={chosen}
            onKept={() => props.onKept(chosen.name)}
          />
        </>
      )}
    </div>
  );
}

/** One of the endpoints that a key can be entered for. */
function EndpointTabs(props: {
  readonly endpoints: readonly Endpoint[];
  readonly chosen: Endpoint;
  readonly onChoose: (name: string) => void;
}): ReactElement {
  const trans = useTrans();
  return (
    <div className="jp-ChatStream-tabs" role="group" aria-label={trans.__('Endpoint')}>
      {props.endpoints.map(endpoint => (
        <button
          {...OWN_KEYS}
          key={endpoint.name}
          type="button"
          className="jp-ChatStream-button"
          data-testid="endpoint"
          data-value={endpoint.name}
          aria-pressed={endpoint.name === props.chosen.name}
          onClick={() => props.onChoose(endpoint.name)}
        >
          {endpoint.title}
        </button>
      ))}
    </div>
  );
}

/** Writes a first question to the demo's tour; the person sends it. */
function DemoButton({ client }: { readonly client: ThreadClient }): ReactElement {
  const trans = useTrans();
  const begin = async (node: HTMLElement): Promise<void> => {
    if (client.getState().draft.trim() === '') {
      client.setDraft(trans.__('Show me around.'));
    }
    focusIn(node, 'field');
    if (client.transcript.thread?.model !== TOUR) {
      await client.change({ model: TOUR });
    }
  };
  return (
    <button
      {...OWN_KEYS}
      type="button"
      className="jp-ChatStream-button"
      data-testid="first-run-demo"
      onClick={event => void begin(event.currentTarget)}
    >
      {trans.__('Ask the demo')}
    </button>
  );
}
