/** The card of an empty chat on a server where only the demo answers: three ways to begin. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useEffect, useRef, useState } from 'react';

import { type ModelsState } from '../../models/model-choices';
import { firstReal, isReal, mayEnterKey, wantsKey } from '../../models/offer';
import { type Endpoint, type ModelList } from '../../protocol/records';
import { codeText } from '../../text/texts';
import { type ThreadClient } from '../../thread/model';
import { Button, focusIn } from '../controls/button';
import { OWN_KEYS } from '../controls/keys';
import { SidewaysStop } from '../drawing/sideways';
import { useTrans } from '../hooks';
import { KeyField, replaceText } from './key-field';
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
  const takeFirst = (endpoint: string | null): boolean => {
    const modelList = client.models.getState().list;
    const model = modelList === null ? undefined : firstReal(modelList, endpoint);
    if (model !== undefined) {
      void client.change({ model: model.id });
    }
    return model !== undefined;
  };
  return (
    <section className="jp-ChatStream-firstRun" data-testid="first-run">
      <h3>{trans.__('Choose who answers')}</h3>
      <div className="jp-ChatStream-ways">
        <KeyPart client={client} list={list} onKept={takeFirst} />
        <LocalPart client={client} models={models} onFound={() => takeFirst(null)} />
        {list.models.some(model => model.id === TOUR) ? (
          <div className="jp-ChatStream-way">
            <h4>{trans.__('Try the demo')}</h4>
            <p>
              {trans.__('Its answers were written beforehand. It needs no key and no network.')}
            </p>
            <DemoButton client={client} />
          </div>
        ) : null}
      </div>
    </section>
  );
}

/** The part for models on this machine: how to start one, and a button that looks for it. */
function LocalPart(props: {
  readonly client: ThreadClient;
  readonly models: ModelsState;
  readonly onFound: () => boolean;
}): ReactElement {
  const { client, models } = props;
  const trans = useTrans();
  const [isMissing, setMissing] = useState(false);
  const refresh = async (): Promise<void> => {
    setMissing(false);
    await client.models.load(true);
    setMissing(!props.onFound());
  };
  const missing = isMissing ? trans.__('No model was found.') : '';
  return (
    <div className="jp-ChatStream-way">
      <h4>{trans.__('Use a local server')}</h4>
      <p>
        {trans.__(
          'This server finds Ollama, llama.cpp, LM Studio and vLLM without any setting. For Ollama:'
        )}
      </p>
      <LocalLines />
      <Button
        testid="first-run-refresh"
        isDisabled={models.isLoading}
        onClick={() => void refresh()}
      >
        {models.isLoading ? lookingText(trans) : trans.__('Look again')}
      </Button>
      <p role="status" data-testid="first-run-status">
        {models.problem ?? missing}
      </p>
    </div>
  );
}

/** The part for a key: a field, or where the keys of this server come from. */
function KeyPart(props: {
  readonly client: ThreadClient;
  readonly list: ModelList;
  readonly onKept: (endpoint: string) => boolean;
}): ReactElement | null {
  const trans = useTrans();
  const keyEndpoints = props.list.endpoints.filter(wantsKey);
  const open = keyEndpoints.filter(mayEnterKey);
  const [name, setName] = useState<string | null>(null);
  const current =
    open.find(endpoint => endpoint.name === name) ??
    open.find(endpoint => endpoint.has_key) ??
    open[0];
  if (keyEndpoints.length === 0) {
    return null;
  }
  if (current === undefined) {
    return (
      <div className="jp-ChatStream-way">
        <h4>{pasteText(trans)}</h4>
        <p>
          {trans.__('Keys cannot be entered here.')}{' '}
          {trans.__('Ask the administrator of this server.')}
        </p>
        {keyEndpoints
          .filter(endpoint => endpoint.has_key)
          .map(endpoint => (
            <EndpointError key={endpoint.name} endpoint={endpoint} />
          ))}
      </div>
    );
  }
  return (
    <div className="jp-ChatStream-way">
      <h4>{current.has_key ? replaceText(trans) : pasteText(trans)}</h4>
      <EndpointTabs endpoints={open} current={current} onChoose={setName} />
      <EndpointError endpoint={current} />
      <KeyField
        key={current.name}
        choices={props.client.models}
        endpoint={current}
        next="field"
        onKept={() => props.onKept(current.name)}
      />
    </div>
  );
}

/** Why the models of an endpoint cannot be used. */
function EndpointError({ endpoint }: { readonly endpoint: Endpoint }): ReactElement | null {
  return endpoint.error === null ? null : (
    <p role="status" data-testid="endpoint-error">
      {endpoint.error}
    </p>
  );
}

/** One of the endpoints that a key can be entered for. */
function EndpointTabs(props: {
  readonly endpoints: readonly Endpoint[];
  readonly current: Endpoint;
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
          aria-pressed={endpoint.name === props.current.name}
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

function pasteText(trans: TranslationBundle): string {
  return trans.__('Paste a key');
}

/** The lines for a terminal. A narrow panel scrolls them. */
function LocalLines(): ReactElement {
  const trans = useTrans();
  const block = useRef<HTMLPreElement>(null);
  useEffect(() => {
    const node = block.current;
    const stop = node === null ? null : new SidewaysStop(node, node, () => codeText(trans));
    return () => stop?.dispose();
  }, [trans]);
  return (
    <pre ref={block} dir="ltr">
      {LOCAL_LINES}
    </pre>
  );
}
