/**
 * The messages of a view. Of a long thread, only those near the screen are drawn (`drawn-window.ts`).
 *
 * The rows stand in blocks: one changed message lets the browser lay out one block, and React compare
 * the rows of one block.
 */
import { type ReactElement, memo, useCallback, useMemo, useSyncExternalStore } from 'react';

import { runOf, siblings } from '../../fold/branch';
import { contentOf } from '../../fold/endings';
import { runsAhead } from '../../fold/turns';
import { isUnsent } from '../../fold/unsent';
import { type ModelsState } from '../../models/model-choices';
import { modelName } from '../../models/offer';
import { type Message } from '../../protocol/records';
import { type ThreadState } from '../../thread/model';
import { hasPrice } from '../../thread/usage';
import { LaterMessage } from '../composer/later';
import { useModels, useTrans } from '../hooks';
import { type DrawnWindow } from '../log/drawn-window';
import { ROW, ROWS } from '../log/log-place';
import { type ThreadControlProps } from '../thread-props';
import { type MessageProps, MessageView } from './message';
import { messageLabel } from './message-label';

const BLOCK = 24;

interface MessagesProps extends ThreadControlProps {
  readonly messages: readonly Message[];
  readonly drawnWindow: DrawnWindow;
  /** The run that is shown alone; null shows the whole thread. */
  readonly runId: string | null;
}

export function Messages(props: MessagesProps): ReactElement {
  const { client, messages } = props;
  const { list } = useModels(client, false);
  const facts = new ModelFacts(list);
  const rows = messages.map((message, index) => rowOf(props, facts, message, index));
  const blocks: RowProps[][] = [];
  for (let from = 0; from < rows.length; from += BLOCK) {
    blocks.push(rows.slice(from, from + BLOCK));
  }
  return (
    <>
      {blocks.map((block, index) => (
        <Block key={index} rows={block} drawnWindow={props.drawnWindow} />
      ))}
    </>
  );
}

type RowProps = MessageProps & { readonly state: ThreadState | null };

function rowOf(
  { client, state, messages, isDisabled, runId }: MessagesProps,
  facts: ModelFacts,
  message: Message,
  index: number
): RowProps {
  const run = runOf(state.transcript, message);
  const group = siblings(state.transcript, message);
  return {
    message,
    position: index + 1,
    count: messages.length,
    run,
    detail: run === undefined ? undefined : state.transcript.details.get(run.id),
    client,
    times: state.transcript.times.get(message.id),
    ahead: runsAhead(state.transcript, run),
    isActing: run !== undefined && state.acting.has(run.id),
    lateAnswers: state.lateAnswers,
    isLast: index === messages.length - 1,
    branchAt: group.indexOf(message),
    branchOf: group.length,
    mayBranch: runId === null && !isDisabled,
    modelLabel: runId === null ? facts.of(run?.model ?? message.model).label : '',
    isPriced: facts.of(message.model).isPriced,
    isDisabled,
    // Only a message for later is drawn from the whole state.
    state: isUnsent(message) ? state : null
  };
}

/** What the messages of one model have in common, looked up once for all of them. */
class ModelFacts {
  constructor(private readonly _list: ModelsState['list']) {}

  of(model: string | null): { readonly label: string; readonly isPriced: boolean | null } {
    const cachedFacts = this._facts.get(model);
    if (cachedFacts !== undefined) {
      return cachedFacts;
    }
    const facts = { label: modelName(model, this._list), isPriced: hasPrice(model, this._list) };
    this._facts.set(model, facts);
    return facts;
  }

  private readonly _facts = new Map<
    string | null,
    { readonly label: string; readonly isPriced: boolean | null }
  >();
}

interface BlockProps {
  readonly rows: readonly RowProps[];
  readonly drawnWindow: DrawnWindow;
}

const Block = memo(
  function Block({ rows, drawnWindow }: BlockProps): ReactElement {
    const ids = useMemo(() => rows.map(({ message }) => message.id), [rows]);
    const isNear = useAreDrawn(drawnWindow, ids);
    // The browser skips all of a block that is far, which costs less than to skip its rows.
    const style = isNear
      ? {}
      : { containIntrinsicBlockSize: `auto ${heightOf(rows, drawnWindow)}px` };
    return (
      <div className={`${ROWS}${isNear ? '' : ' jp-mod-far'}`} style={style}>
        {rows.map(row => (
          <Row key={row.message.id} {...row} drawnWindow={drawnWindow} />
        ))}
      </div>
    );
  },
  (before, after) =>
    before.drawnWindow === after.drawnWindow &&
    before.rows.length === after.rows.length &&
    after.rows.every((row, index) => isSame(row, before.rows[index]))
);

function isSame(row: RowProps, other: RowProps | undefined): boolean {
  const names = Object.keys(row) as (keyof RowProps)[];
  return names.every(name => row[name] === other?.[name]);
}

const Row = memo(function Row({
  drawnWindow,
  state,
  ...props
}: RowProps & { drawnWindow: DrawnWindow }) {
  const { message, client, isDisabled } = props;
  const ids = useMemo(() => [message.id], [message.id]);
  const isDrawn = useAreDrawn(drawnWindow, ids);
  return (
    <div className={ROW} data-row={message.id}>
      {state !== null ? (
        <LaterMessage client={client} state={state} message={message} isDisabled={isDisabled} />
      ) : isDrawn ? (
        <MessageView {...props} />
      ) : (
        <Undrawn {...props} height={rowHeight(message, drawnWindow)} />
      )}
    </div>
  );
});

/** Whether one of these messages is drawn. */
function useAreDrawn(drawnWindow: DrawnWindow, ids: readonly string[]): boolean {
  const subscribe = useCallback(
    (listener: () => void) => drawnWindow.subscribe(ids, listener),
    [drawnWindow, ids]
  );
  return useSyncExternalStore(subscribe, () => ids.some(id => drawnWindow.isDrawn(id)));
}

/** About how high a block of rows is that the browser has not laid out. */
function heightOf(rows: readonly RowProps[], drawnWindow: DrawnWindow): number {
  return rows.reduce((sum, { message }) => sum + GAP_PX + rowHeight(message, drawnWindow), -GAP_PX);
}

function rowHeight(message: Message, drawnWindow: DrawnWindow): number {
  return drawnWindow.heightOf(message.id) ?? estimatedHeight(message, contentOf(message));
}

/** The box of a message that is not drawn, with its source text. */
function Undrawn(props: MessageProps & { readonly height: number }): ReactElement {
  const { message, position, count } = props;
  const trans = useTrans();
  const text = useMemo(() => contentOf(message), [message]);
  return (
    <article
      className="jp-ChatStream-undrawn"
      data-testid="undrawn"
      data-message-id={message.id}
      data-run-id={message.run_id ?? undefined}
      data-status={message.status}
      aria-label={messageLabel(message, position, trans)}
      aria-posinset={position}
      aria-setsize={count}
      style={{ height: `${props.height}px` }}
    >
      {text}
    </article>
  );
}

const GAP_PX = 12;
const LINE_PX = 22;
const CHARS_IN_A_LINE = 80;
/** A person's long message is folded to about this height. */
const FOLDED_PX = 460;

/** About how high a message will be; its true height is kept once it has been drawn. */
function estimatedHeight(message: Message, text: string): number {
  const breaks = text.split('\n').length;
  const lines = Math.max(1, breaks, text.length / CHARS_IN_A_LINE + breaks / 2);
  const height = Math.round(lines * LINE_PX + (message.role === 'user' ? 14 : 30));
  return message.role === 'user' ? Math.min(FOLDED_PX, height) : height;
}
