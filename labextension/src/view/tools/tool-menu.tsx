/** The tools of a thread: a button in the composer, and the panel in which a person chooses them. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useEffect, useId, useSyncExternalStore } from 'react';

import { type ListedTool, type ToolMode } from '../../protocol/records';
import { revealHidden } from '../../text/hidden-characters';
import { asksYouText } from '../../text/texts';
import { type ThreadClient } from '../../thread/model';
import { type ToolListState, isFunction, isOn, mcpServerOf } from '../../tools/thread-tools';
import { Button } from '../controls/button';
import { Dial } from '../controls/dial';
import { ToolIcon } from '../controls/icons';
import { OWN_KEYS } from '../controls/keys';
import { useTrans } from '../hooks';
import { lookingText } from '../models/picker-list';
import { ConsentList } from './standing-consents';

/** The strictest mode first: an arrow key sets each mode that it passes at once. */
const MODES: readonly ToolMode[] = ['read_only', 'ask', 'accept_edits'];
/** The command that lists all standing consents; the side panel adds the command to JupyterLab. */
const ALL_CONSENTS = 'chat-stream:consents';
/** The menu shows this many characters of a description; the tooltip has the whole text. */
const MOST_DESCRIPTION_CHARS = 140;

export function ToolMenuButton(props: {
  readonly client: ThreadClient;
  readonly isDisabled: boolean;
}): ReactElement {
  const { client, isDisabled } = props;
  const trans = useTrans();
  const state = useSyncExternalStore(client.tools.subscribe, client.tools.getState);
  const { mode } = state.tools;
  const title = trans.__('Tools');
  return (
    <Dial
      testid="tools"
      title={title}
      label={mode === 'ask' ? title : trans.__('Tools: %1', modeText(mode, trans))}
      isSet={mode !== 'ask'}
      isDisabled={isDisabled}
      icon={<ToolIcon />}
    >
      <ToolMenu client={client} state={state} />
    </Dial>
  );
}

function ToolMenu(props: {
  readonly client: ThreadClient;
  readonly state: ToolListState;
}): ReactElement {
  const { client, state } = props;
  const trans = useTrans();
  useEffect(() => void client.tools.load(), [client]);
  return (
    <div className="jp-ChatStream-toolMenu">
      <ModeChoice mode={state.tools.mode} onChange={mode => void client.tools.setMode(mode)} />
      <h3>{trans.__('What the model may call')}</h3>
      {state.problem === null ? null : (
        <p className="jp-ChatStream-toolNote" role="alert">
          {state.problem}
        </p>
      )}
      <ToolRows client={client} state={state} />
      {state.missing.map(({ source, message }, index) => (
        <p
          key={index}
          className="jp-ChatStream-toolNote"
          data-testid="tools-missing"
          data-source={source}
          dir="auto"
        >
          {revealHidden(message)}
        </p>
      ))}
      <h3>{trans.__('Allowed without asking')}</h3>
      <ConsentList
        consents={client.tools.consents}
        trans={trans}
        threadId={client.threadId}
        onChange={() => void client.tools.load()}
      />
      <Button
        testid="all-consents"
        className="jp-mod-quiet"
        then="stay"
        onClick={() => client.page.execute(ALL_CONSENTS)}
      >
        {trans.__('In all chats…')}
      </Button>
    </div>
  );
}

/** The mode of the thread. The chosen one has the focus when the panel opens. */
function ModeChoice(props: {
  readonly mode: ToolMode;
  readonly onChange: (mode: ToolMode) => void;
}): ReactElement {
  const trans = useTrans();
  const id = useId();
  return (
    <fieldset className="jp-ChatStream-toolModes">
      <legend>{trans.__('Before a tool changes or runs something')}</legend>
      {MODES.map(mode => (
        <label key={mode}>
          <input
            {...OWN_KEYS}
            type="radio"
            name={id}
            data-testid={`tool-mode-${mode}`}
            autoFocus={mode === props.mode}
            checked={mode === props.mode}
            aria-describedby={`${id}-${mode}`}
            onChange={() => props.onChange(mode)}
          />
          <span>
            {modeText(mode, trans)}
            <span className="jp-ChatStream-toolNote" id={`${id}-${mode}`}>
              {modeSentence(mode, trans)}
            </span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function ToolRows(props: {
  readonly client: ThreadClient;
  readonly state: ToolListState;
}): ReactElement | null {
  const { client, state } = props;
  const trans = useTrans();
  if (state.list === null && state.problem !== null) {
    return null;
  }
  if (state.list === null || state.list.length === 0) {
    const text =
      state.list === null
        ? lookingText(trans)
        : trans.__('No tools. A cell with @chat.tool above a function offers that function.');
    return <p className="jp-ChatStream-toolNote">{text}</p>;
  }
  return (
    <ul className="jp-ChatStream-toolList">
      {state.list.map(tool => (
        <ToolRow key={tool.name} client={client} state={state} tool={tool} />
      ))}
    </ul>
  );
}

function ToolRow(props: {
  readonly client: ThreadClient;
  readonly state: ToolListState;
  readonly tool: ListedTool;
}): ReactElement {
  const { client, state, tool } = props;
  const trans = useTrans();
  const id = useId();
  const description = revealHidden(tool.description ?? '').trim();
  const isFixed = isFunction(tool) || tool.consent === 'denied';
  return (
    <li data-testid="tool-row" data-tool={tool.name}>
      <label>
        <input
          {...OWN_KEYS}
          type="checkbox"
          checked={isOn(tool, state.tools)}
          disabled={isFixed}
          aria-describedby={id}
          onChange={event => void client.tools.setOn(tool.name, event.target.checked)}
        />
        <code dir="auto">{revealHidden(tool.name)}</code>
      </label>
      <span className="jp-ChatStream-toolNote" id={id}>
        <span title={description} dir="auto">
          {shorten(description)}
        </span>{' '}
        <span className="jp-ChatStream-toolFacts">{factsText(tool, trans)}</span>
      </span>
    </li>
  );
}

/** The first sentences of a description. */
function shorten(text: string): string {
  const line = text.split('\n\n')[0]?.replace(/\s+/g, ' ') ?? '';
  const chars = [...line];
  return chars.length > MOST_DESCRIPTION_CHARS
    ? `${chars.slice(0, MOST_DESCRIPTION_CHARS).join('')}…`
    : line;
}

/** Where a tool's calls are executed, and whether they need consent. */
function factsText(tool: ListedTool, trans: TranslationBundle): string {
  const mcpServer = mcpServerOf(tool);
  const whereText = {
    server:
      mcpServer === null
        ? trans.__('on the server')
        : trans.__('of the MCP server %1', revealHidden(mcpServer)),
    kernel: isFunction(tool)
      ? trans.__('in the kernel, as long as it runs')
      : trans.__('in the kernel'),
    page: trans.__('in this page')
  }[tool.where];
  const consent = {
    none: trans.__('only reads'),
    ask: asksYouText(trans),
    thread: trans.__('allowed in this chat'),
    always: trans.__('always allowed'),
    denied: trans.__('not allowed on this server')
  }[tool.consent];
  return [whereText, consent].filter(text => text !== undefined).join(' · ');
}

function modeText(mode: ToolMode, trans: TranslationBundle): string {
  switch (mode) {
    case 'accept_edits':
      return trans.__('Accept edits');
    case 'read_only':
      return trans.__('Read only');
    default:
      return trans.__('Ask');
  }
}

function modeSentence(mode: ToolMode, trans: TranslationBundle): string {
  switch (mode) {
    case 'accept_edits':
      return trans.__('Changes are made at once; running code still asks you.');
    case 'read_only':
      return trans.__('The model can only read; changes and code are refused.');
    default:
      return trans.__('You are asked each time, unless you have allowed it below.');
  }
}
