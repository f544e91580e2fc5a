/** A thread on the page: the log, and below it the composer (for a single run, a status line). */
import { type ReactElement, useState } from 'react';

import { signedOutText } from '../connection/api';
import { activeReplies, branch, exchange, runOf } from '../fold/branch';
import { answersFirst } from '../fold/builds';
import { queuedMessages, withoutQueued } from '../fold/queue';
import { type Transcript } from '../fold/transcript';
import { oldestOpenReply, runsAhead } from '../fold/turns';
import { scheduledMessages } from '../fold/unsent';
import { type ModelsState } from '../models/model-choices';
import { type Message } from '../protocol/records';
import { openingText } from '../text/texts';
import { type ThreadClient, type ThreadState } from '../thread/model';
import { Announcer } from './announcer';
import { Status, StopButton } from './composer/bar';
import { Composer } from './composer/composer';
import { useDropTarget } from './composer/dropping';
import { LaterMessages } from './composer/later';
import { useLanguage, useLasting, useModels, useNow, useThread, useTrans } from './hooks';
import { usePreview } from './log/preview';
import { useReadMark } from './log/read-mark';
import { useReading } from './log/reading';
import { type OpenedMessage, Scroller } from './log/scroller';
import { Messages } from './messages/messages';
import { Markdown } from './messages/parts';
import { FirstRun, isFirstRun } from './models/firstrun';
import { lookingText } from './models/picker-list';
import { ThreadUsageLine } from './models/usage';
import { ResizeHandle } from './resize';
import { type StatusLine, linkLine, replyLine } from './status';

/** Where a chat is drawn: in a cell's output, in the side panel, or in a tab of the main area. */
type ChatPlace = 'output' | 'panel' | 'tab';

export interface ChatProps {
  readonly client: ThreadClient;
  /** Show only this run's question and answer; null shows the whole thread. */
  readonly runId: string | null;
  /** The notebook's copy, shown if the server does not have the thread. */
  readonly savedCopy: string | null;
  readonly isDisabled: boolean;
  /** The height in px; null fits the content up to a maximum (see `base.css`). */
  readonly height: number | null;
  /** In the panel and in a tab, the chat fills the height that it is given. */
  readonly place: ChatPlace;
  /** The message to scroll to and to mark; a new object scrolls there again. */
  readonly target?: OpenedMessage | null;
}

/** Shorter breaks of the connection are not shown. */
const HIDDEN_BREAK_MS = 800;
/** After this long without a response, the saved copy is shown until one comes. */
const COPY_AFTER_MS = 2_500;
/** A thread that takes longer to arrive is drawn before all of it is here. */
const WHOLE_AFTER_MS = 2_000;
/** A part of a long thread would be drawn in vain: its end arrives last. */
const NO_MESSAGES: readonly Message[] = [];

export function Chat(props: ChatProps): ReactElement {
  const trans = useTrans();
  const state = useThread(props.client);
  const isArriving = state.link === 'connecting' && state.end === null;
  const isSlow = useLasting(isArriving && state.transcript.seq > 0, WHOLE_AFTER_MS);
  const isWaiting = state.end === null && (state.transcript.seq === 0 || (isArriving && !isSlow));
  const preview = usePreview(props, state);
  const isLate = useLasting(isWaiting && preview === null, COPY_AFTER_MS);
  if (state.end !== null && (state.end.why !== 'deleted' || state.transcript.seq === 0)) {
    return <SavedCopy text={props.savedCopy} reason={state.end.message} state="ended" />;
  }
  if (isLate && props.savedCopy !== null) {
    const reason =
      state.link === 'signed_out'
        ? signedOutText(trans)
        : trans.__('The server has not responded yet. Still trying…');
    return <SavedCopy text={props.savedCopy} reason={reason} state="waiting" />;
  }
  return isWaiting && preview !== null ? (
    <Live {...props} state={preview} isWaiting={false} />
  ) : (
    <Live {...props} state={state} isWaiting={isWaiting} />
  );
}

type LiveProps = ChatProps & { readonly state: ThreadState; readonly isWaiting: boolean };

function Live(props: LiveProps): ReactElement {
  const { client, runId, state } = props;
  const [jump, setJump] = useState(0);
  const [height, setHeight] = useState<number | null>(null);
  const { transcript } = state;
  const queue = runId === null ? queuedMessages(transcript) : [];
  const messages = props.isWaiting ? NO_MESSAGES : messagesOf(transcript, runId, queue);
  const hasEnded = state.end !== null;
  const active = hasEnded ? [] : answersFirst(transcript, activeReplies(messages));
  const otherReply =
    active.length > 0 || runId !== null || hasEnded ? undefined : oldestOpenReply(transcript);
  const status = useStatus(state, active, otherReply);
  const isDisabled = props.isDisabled || hasEnded;
  const fills = props.place !== 'output';
  const fixedHeight = fills ? null : (height ?? props.height);
  const isEmpty = messages.length === 0 && scheduledMessages(transcript).length === 0;
  const models = useModels(client, runId === null);
  const mayBegin = isEmpty && !props.isWaiting && runId === null && !isDisabled;
  const isFirst = mayBegin && isFirstRun(models);
  const reading = useReading(props, messages);
  const { ref, isOver } = useDropTarget<HTMLDivElement>(client, runId === null && !isDisabled);
  useReadMark(ref, props);
  return (
    <div
      ref={ref}
      className={`jp-ChatStream-live${fixedHeight === null ? '' : ' jp-mod-fixed'}${fills ? ' jp-mod-filling' : ''}`}
      data-testid="live"
      onKeyDown={reading.onKeyDown}
      data-link={state.link}
      data-ended={state.end?.why}
      data-seq={transcript.seq}
      style={fixedHeight === null ? {} : { height: `${fixedHeight}px` }}
    >
      <Scroller jump={jump} isStill={isFirst} {...reading.scroller}>
        {isEmpty ? (
          <Beginning {...props} models={models} isFirst={isFirst} mayBegin={mayBegin} />
        ) : null}
        <Messages {...props} {...reading.scroller} isDisabled={isDisabled} />
        {runId === null ? <LaterMessages {...props} isDisabled={isDisabled} /> : null}
      </Scroller>
      {runId === null ? (
        <Composer
          client={client}
          state={state}
          status={status}
          queue={queue}
          activeRunId={(active[0] ?? otherReply)?.run_id ?? null}
          isDisabled={isDisabled}
          onSent={() => setJump(jump + 1)}
        />
      ) : (
        <Line {...props} status={status} active={active} last={messages.at(-1)} />
      )}
      {runId === null ? <ThreadUsageLine client={client} state={state} /> : null}
      {fills ? null : <ResizeHandle onResize={setHeight} />}
      {isOver ? <DropHint /> : null}
      <Announcer client={client} state={state} messages={messages} />
    </div>
  );
}

/** What an empty chat shows in the place of messages. */
function Beginning(
  props: LiveProps & {
    readonly models: ModelsState;
    readonly isFirst: boolean;
    readonly mayBegin: boolean;
  }
): ReactElement {
  const { client, models, mayBegin } = props;
  return props.isFirst ? (
    <FirstRun client={client} models={models} />
  ) : (
    <Empty
      isWaiting={props.isWaiting}
      isLooking={mayBegin && models.list === null && models.isLoading}
      runId={props.runId}
    />
  );
}

/** The messages that a view shows, oldest first. */
function messagesOf(
  transcript: Transcript,
  runId: string | null,
  queue: ReturnType<typeof queuedMessages>
): readonly Message[] {
  return runId === null ? withoutQueued(branch(transcript), queue) : exchange(transcript, runId);
}

/** What lies over the chat while files are dragged above it. */
function DropHint(): ReactElement {
  const trans = useTrans();
  return (
    <div className="jp-ChatStream-dropHint" data-testid="drop-hint">
      {trans.__('Drop files to attach them')}
    </div>
  );
}

/** The line beside the composer: a broken connection first, then the run's phase. */
function useStatus(
  state: ThreadState,
  active: readonly Message[],
  otherReply: Message | undefined
): StatusLine {
  const language = useLanguage();
  const { trans } = language;
  const { transcript, end, link, acting } = state;
  const reply = active[0];
  const run = reply === undefined ? undefined : runOf(transcript, reply);
  const isTroubled = useLasting(link !== 'live', HIDDEN_BREAK_MS);
  const now_ms = useNow(run?.wake_at ?? null);
  if (end !== null) {
    return { state: 'idle', text: end.message };
  }
  const linkProblem = isTroubled ? linkLine(link, trans) : null;
  if (linkProblem !== null) {
    return linkProblem;
  }
  if (reply === undefined) {
    return otherReply === undefined
      ? { state: 'idle', text: '' }
      : { state: 'elsewhere', text: trans.__('Answering on another branch') };
  }
  const detail = run === undefined ? undefined : transcript.details.get(run.id);
  const isStopping = run !== undefined && acting.has(run.id);
  const ahead = runsAhead(transcript, run);
  return replyLine({ reply, run, detail, isStopping, now_ms, ahead }, language);
}

/** The line below a single run's exchange, in place of the composer. */
function Line(
  props: LiveProps & {
    readonly status: StatusLine;
    readonly active: readonly Message[];
    readonly last: Message | undefined;
  }
): ReactElement {
  const { client, state, status, active, last } = props;
  return (
    <div className="jp-ChatStream-line" data-testid="line">
      {state.problem === null ? null : <span role="alert">{state.problem}</span>}
      <span className="jp-ChatStream-by">{last?.model ?? ''}</span>
      <Status line={status} />
      <StopButton client={client} state={state} runId={active[0]?.run_id ?? null} />
    </div>
  );
}

function Empty(props: {
  readonly isWaiting: boolean;
  /** Whether the server's models are not known yet: it may be a first run. */
  readonly isLooking: boolean;
  readonly runId: string | null;
}): ReactElement {
  const trans = useTrans();
  const text = props.isWaiting
    ? openingText(trans)
    : props.runId === null
      ? trans.__('No messages yet. Ask something: every answer is saved on the server.')
      : trans.__('This chat no longer has this answer.');
  return (
    <div className="jp-ChatStream-empty" data-testid="empty">
      <p>{text}</p>
      {props.isLooking ? <p>{lookingText(trans)}</p> : null}
    </div>
  );
}

function SavedCopy(props: {
  readonly text: string | null;
  readonly reason: string;
  readonly state: string;
}): ReactElement {
  const trans = useTrans();
  return (
    <div className="jp-ChatStream-saved" data-testid="saved-copy" data-state={props.state}>
      <p className="jp-ChatStream-savedLabel">
        <span className="jp-ChatStream-tag">
          {props.text === null ? trans.__('not available') : trans.__('saved copy')}
        </span>{' '}
        {props.reason}
      </p>
      {props.text === null ? null : <Markdown key={props.text} text={props.text} isEnded />}
    </div>
  );
}
