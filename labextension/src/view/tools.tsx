/** Tool calls: a card for each with its result, and several in a row as one group. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useState } from 'react';

import { type PartTimes, spanOf } from '../reply-times';
import { type ToolState, type ToolUse, toolState } from './flow';
import { Folded, Plain } from './folded';
import { useTrans } from './hooks';
import { OWN_KEYS } from './keys';
import { pretty } from './pretty';
import { spanText } from './times';

/** A card shows so many characters of the call's input before it is opened. */
const MOST_INPUT_CHARS = 120;

export interface ToolsProps {
  readonly uses: readonly ToolUse[];
  /** Whether the reply has ended. */
  readonly hasEnded: boolean;
  /** By index of part: when the calls were made and answered. */
  readonly times: ReadonlyMap<number, PartTimes> | undefined;
}

/** One card; or several in a group, which is open while a call runs and folded when all are done. */
export function Tools(props: ToolsProps): ReactElement {
  const { uses, hasEnded, times } = props;
  const [first] = uses;
  return uses.length === 1 && first !== undefined ? (
    <ToolCard use={first} hasEnded={hasEnded} times={times?.get(first.index)} />
  ) : (
    <ToolGroup {...props} />
  );
}

function ToolGroup({ uses, hasEnded, times }: ToolsProps): ReactElement {
  const trans = useTrans();
  const [wish, setWish] = useState<boolean | null>(null); // what the reader has chosen
  const states = uses.map(use => toolState(use, hasEnded));
  const isBusy = states.some(state => state === 'preparing' || state === 'running');
  const isOpen = wish ?? isBusy;
  const failed = states.filter(state => state === 'failed').length;
  const names = [...new Set(uses.map(nameOf))].filter(name => name !== '');
  return (
    <details
      className="jp-ChatStream-folded jp-mod-toolGroup"
      data-testid="tool-group"
      open={isOpen}
      onToggle={event => {
        const { open } = event.currentTarget;
        if (open !== isOpen) {
          setWish(open);
        }
      }}
    >
      <summary {...OWN_KEYS}>
        <span className="jp-ChatStream-tag">
          {trans._n('%1 tool call', '%1 tool calls', uses.length)}
        </span>
        <code>{names.join(', ')}</code>
        {failed === 0 ? null : (
          <span className="jp-ChatStream-toolFact">
            {trans._n('%1 failed', '%1 failed', failed)}
          </span>
        )}
      </summary>
      {isOpen ? (
        <div className="jp-ChatStream-toolCards" onClickCapture={() => setWish(true)}>
          {uses.map(use => (
            <ToolCard key={use.index} use={use} hasEnded={hasEnded} times={times?.get(use.index)} />
          ))}
        </div>
      ) : null}
    </details>
  );
}

interface ToolCardProps {
  readonly use: ToolUse;
  readonly hasEnded: boolean;
  readonly times: PartTimes | undefined;
}

function ToolCard({ use, hasEnded, times }: ToolCardProps): ReactElement {
  const trans = useTrans();
  const state = toolState(use, hasEnded);
  const span_ms = spanOf(times);
  const input = use.call?.name === undefined ? undefined : use.call.input;
  return (
    <Folded
      kind={use.call === null ? 'tool-result' : 'tool-call'}
      summary={
        <span className="jp-ChatStream-tool" data-state={state}>
          <span className={`jp-ChatStream-tag jp-mod-${state}`}>{stateText(state, trans)}</span>
          <code>{nameOf(use)}</code>
          {input === undefined ? null : (
            <span className="jp-ChatStream-toolInput" dir="auto">
              {shortInput(input)}
            </span>
          )}
          <span className="jp-ChatStream-toolFact">
            {span_ms === null ? '' : spanText(span_ms, trans)}
          </span>
        </span>
      }
    >
      {() => <ToolBody use={use} />}
    </Folded>
  );
}

function ToolBody({ use: { call, result } }: { readonly use: ToolUse }): ReactElement {
  const trans = useTrans();
  const input = call?.name === undefined ? (call?.text ?? '') : pretty(call.input);
  return (
    <>
      {call === null ? null : (
        <div data-testid="tool-input">
          <p className="jp-ChatStream-toolPart">{trans.__('Input')}</p>
          <Plain text={input} />
        </div>
      )}
      {result === null ? null : (
        <div data-testid="tool-output">
          <p className="jp-ChatStream-toolPart">
            {result.success ? trans.__('Result') : trans.__('Error')}
          </p>
          <Plain text={pretty(result.output)} />
        </div>
      )}
    </>
  );
}

function nameOf({ call, result }: ToolUse): string {
  return call?.name ?? result?.name ?? '';
}

/** The beginning of an input in one line. */
function shortInput(input: unknown): string {
  const text = (typeof input === 'string' ? input : (JSON.stringify(input) ?? '')).trim();
  const isEmpty = text === '{}' || text === 'null';
  return isEmpty ? '' : text.slice(0, MOST_INPUT_CHARS).replace(/\s+/g, ' ');
}

function stateText(state: ToolState, trans: TranslationBundle): string {
  switch (state) {
    case 'preparing':
      return trans.__('preparing a call…');
    case 'cut':
      return trans.__('a call that was cut off');
    case 'running':
      return trans.__('running…');
    case 'called':
      return trans.__('tool');
    case 'done':
      return trans.__('done');
    case 'failed':
      return trans.__('failed');
  }
}
