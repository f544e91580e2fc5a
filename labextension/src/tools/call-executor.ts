/**
 * Executes tool calls on this page: finds the calls that wait for this page in the log, claims a call,
 * makes it, and sends its result (L12, L14).
 *
 * Several pages may find the same call; the server decides which page executes it. This page makes a call
 * once for each successful claim. Afterwards it sends only the result again, until the server takes or
 * refuses it. A call of an idempotent tool may then be open again; this page claims it like a new call.
 */
import { type Api, ApiError } from '../connection/api';
import { type Clock } from '../connection/connection';
import { type Follower } from '../connection/follower';
import { toolUses } from '../fold/tool-calls';
import { type Transcript } from '../fold/transcript';
import { type ToolCallPart, isEnd } from '../protocol/records';
import { forgetOldest } from '../state/bounds';
import { type ResultFile, uploadFiles } from './call-files';

/** A tool of this page. */
export interface PageTool {
  /** The tool's definition in the form of the server's list, see docs/protocol.md. */
  readonly definition: { readonly name: string };
  /** Whether this page can make a call with this input; if not, it leaves the call to others. */
  canExecute(input: unknown): boolean;
  /** How many milliseconds this page leaves the call to other pages before it claims the call. */
  delayOf?(input: unknown): number;
  /** Whether no other page should make the call; checked just before the claim. Absent means yes. */
  isFree?(input: unknown): Promise<boolean>;
  /** Make a call. It takes a few seconds at most, so its claim needs no renewal. */
  execute(call: PageCall): CallResult | Promise<CallResult>;
}

/** A call that this page has claimed. */
export interface PageCall {
  readonly id: string;
  readonly input: unknown;
  /** The parts of the call that the person accepts, as the tool names them; null for the whole call. */
  readonly accepted: readonly string[] | null;
}

/** The result of a tool call. */
export interface CallResult {
  readonly success: boolean;
  readonly output: unknown;
  readonly files?: readonly ResultFile[];
}

/** A result as it is sent to the server, with the ids of its files. */
interface SentResult {
  readonly success: boolean;
  readonly output: unknown;
  readonly attachments?: readonly string[];
}

interface CallExecutorOptions {
  readonly api: Api;
  readonly clock: Clock;
  readonly tools: readonly PageTool[];
  /** The id of this page among all executors. */
  readonly id: string;
  /** The name of this page for people. */
  readonly label: string;
}

/** The delay before a request is sent again the first time, and how many times a result is sent. */
const FIRST_DELAY_MS = 500;
const MOST_TRIES = 7;
/** If the response to a claim takes longer, the claim may have expired, so the call is not made. */
const MOST_CLAIM_MS = 5_000;
const MOST_REMEMBERED = 1_000;
const TOO_LATE: CallResult = {
  success: false,
  output: 'The page got the call too late, so it did not make it. Nothing was changed.'
};

export class CallExecutor {
  constructor(options: CallExecutorOptions) {
    this._options = options;
  }

  /** Offer the tools of this page in a thread. */
  offerIn(follower: Pick<Follower, 'threadId' | 'offer'>): void {
    const { id, label, tools } = this._options;
    const definitions = tools.map(tool => tool.definition);
    const thread = follower.threadId;
    follower.offer({ op: 'offer', thread, executor: id, label, where: 'page', tools: definitions });
  }

  /** Make the calls of a thread that wait for this page; called with each new state of the thread. */
  update(state: Transcript): void {
    const { thread } = state;
    let hasOpen = false;
    for (const { runId, call } of openCalls(state)) {
      hasOpen = this._take(runId, call, state.seq) || hasOpen;
    }
    if (thread !== null && hasOpen) {
      this._open.set(thread.id, state);
    } else if (thread !== null) {
      this._open.delete(thread.id);
    }
  }

  /** Check all open calls again, because another notebook is open and the tools can do more or less. */
  lookAgain(): void {
    for (const wait of this._waits.values()) {
      wait.due_ms = 0;
    }
    this._recheck();
  }

  /** Drop a thread that this page does not follow any more. */
  forget(threadId: string): void {
    this._open.delete(threadId);
  }

  /**
   * Make a call if this page can do so now. Returns whether the call's tool is a tool of this page.
   * A call of another executor is open again if the log says so at a later `seq`.
   */
  private _take(runId: string, call: ToolCallPart, seq: number): boolean {
    const tool = this._options.tools.find(({ definition }) => definition.name === call.name);
    const key = `${runId} ${call.tool_call_id ?? ''}`;
    const isKnown = (this._seqs.get(key) ?? -1) >= seq;
    const isEarly = this._options.clock.now() < (this._waits.get(key)?.due_ms ?? 0);
    if (tool === undefined || isKnown || isEarly || !tool.canExecute(call.input)) {
      return tool !== undefined;
    }
    this._remember(key);
    this._waits.get(key)?.cancel();
    this._make(runId, call, tool).then(end => {
      if (end === 'undecided') {
        this._seqs.delete(key);
        this._lookLater(key);
        return;
      }
      this._waits.delete(key);
      if (end === 'elsewhere') {
        this._seqs.set(key, seq);
        this._recheck();
      }
    }, logError);
    return true;
  }

  private _recheck(): void {
    [...this._open.values()].forEach(state => this.update(state));
  }

  /** Check a call again after a delay, because nobody knows who executes the call; no event may come. */
  private _lookLater(key: string): void {
    const { clock } = this._options;
    const tries = (this._waits.get(key)?.tries ?? 0) + 1;
    const delay_ms = delayOf(tries);
    const retry = (): void => {
      wait.due_ms = 0;
      this._recheck();
    };
    const wait = { tries, due_ms: clock.now() + delay_ms, cancel: clock.later(retry, delay_ms) };
    this._waits.set(key, wait);
    forgetOldest(this._waits, MOST_REMEMBERED);
  }

  private _remember(key: string): void {
    this._seqs.set(key, Infinity);
    forgetOldest(this._seqs, MOST_REMEMBERED);
  }

  private _isStillOpen(runId: string, { tool_call_id }: ToolCallPart): boolean {
    const open = [...this._open.values()].flatMap(openCalls);
    return open.some(other => other.runId === runId && other.call.tool_call_id === tool_call_id);
  }

  private async _make(runId: string, call: ToolCallPart, tool: PageTool): Promise<End> {
    const { api, clock, label } = this._options;
    const delay_ms = tool.delayOf?.(call.input) ?? 0;
    if (delay_ms > 0) {
      await new Promise<void>(resolve => clock.later(resolve, delay_ms));
      if (!this._isStillOpen(runId, call)) {
        return 'elsewhere';
      }
      if (!tool.canExecute(call.input)) {
        return 'undecided';
      }
    }
    // If the code that answers did not load, the page asks again later.
    if (tool.isFree !== undefined && !(await tool.isFree(call.input).catch(logError))) {
      return 'undecided';
    }
    const asked_ms = clock.now();
    const path = `runs/${encodeURIComponent(runId)}/tools/${encodeURIComponent(call.tool_call_id ?? '')}`;
    let claim: string;
    try {
      const body = { executor: label };
      const response = await api.request({ method: 'POST', path: `${path}/claim`, body });
      claim = (response as { claim: string }).claim;
    } catch (error) {
      return endOf(error) ?? 'undecided';
    }
    const isLate = clock.now() - asked_ms > MOST_CLAIM_MS;
    const { files = [], ...result } = isLate ? TOO_LATE : await outcomeOf(tool, call);
    const attachments = await uploadFiles(api, files);
    const sentResult = attachments.length === 0 ? result : { ...result, attachments };
    return this._send(`${path}/result`, claim, sentResult);
  }

  /**
   * Send a result until the server has it. The server refuses a repeated result, which does no harm.
   * If the server refuses the result itself, send a failed result that tells the reason.
   */
  private async _send(path: string, claim: string, result: SentResult): Promise<End> {
    const { api, clock } = this._options;
    let sentResult = result;
    for (let tries = 1; tries <= MOST_TRIES; tries += 1) {
      try {
        await api.request({ method: 'POST', path, body: { claim, ...sentResult } });
        return 'ended';
      } catch (error) {
        const end = endOf(error);
        if (end !== null) {
          return end;
        }
        logError(error);
        if (isRefusal(error)) {
          if (sentResult !== result) {
            return 'ended';
          }
          sentResult = refusedResult(error);
          continue;
        }
      }
      await new Promise<void>(resolve => clock.later(resolve, delayOf(tries)));
    }
    return 'elsewhere';
  }

  private readonly _options: CallExecutorOptions;
  /** By thread: its last state, if the thread has open calls of this page's tools. */
  private readonly _open = new Map<string, Transcript>();
  /**
   * By call whose executor is unknown: when the page may claim the call again. Bound: MOST_REMEMBERED;
   * the delays of a forgotten call start again.
   */
  private readonly _waits = new Map<string, Wait>();
  /**
   * By call: the last seq that this page knew when another executor got the call; Infinity while this page
   * makes the call, and after its end. Bound: MOST_REMEMBERED; the page claims a forgotten call again.
   */
  private readonly _seqs = new Map<string, number>();
}

/**
 * How this page is done with a call. `elsewhere`: another executor has the call, or this page's claim is
 * over, and the log tells the rest. `undecided`: nobody knows.
 */
type End = 'ended' | 'elsewhere' | 'undecided';

/** The wait before a call is claimed again, after so many tries in a row. */
interface Wait {
  readonly tries: number;
  /** No event leads to a claim before this time. */
  due_ms: number;
  /** Cancel the timer that checks the call at this time. */
  readonly cancel: () => void;
}

/** The n-th delay. The delays grow up to the one before the last try. */
function delayOf(n: number): number {
  return FIRST_DELAY_MS * 2 ** (Math.min(n, MOST_TRIES - 1) - 1);
}

/** How the server's refusal ends a call; null if the server did not decide. */
function endOf(error: unknown): End | null {
  if (!(error instanceof ApiError) || !isDecision(error)) {
    return null;
  }
  if (error.status === 404 || error.facts['state'] === 'ended') {
    return 'ended';
  }
  // If the call is open, the claim expired while this page was suspended. The log may have shown this
  // before the refusal.
  return error.facts['state'] === 'claimed' ? 'elsewhere' : 'undecided';
}

/** Whether our server has decided about a call. `foreign`: a proxy answered that did not reach our server. */
function isDecision({ status, code }: ApiError): boolean {
  return (status === 404 || status === 409) && code !== 'foreign';
}

/** Whether the same request would fail again. Missing sign-ins and errors of proxies are temporary. */
function isRefusal(error: unknown): error is Error {
  const passing = [0, 401, 403, 404, 408, 409, 429]; // 404 and 409 come from a proxy here, see `isDecision`
  return !(error instanceof ApiError) || !(passing.includes(error.status) || error.status >= 500);
}

function refusedResult(error: Error): CallResult {
  const reason = error instanceof ApiError ? error.message : 'it could not be sent';
  return { success: false, output: `The call was made, but its result was refused: ${reason}` };
}

interface OpenCall {
  readonly runId: string;
  readonly call: ToolCallPart;
}

function openCalls({ messages, runs }: Transcript): readonly OpenCall[] {
  const open: OpenCall[] = [];
  for (const run of runs.values()) {
    const parts = isEnd(run.status) ? [] : (messages.get(run.message_id)?.parts ?? []);
    for (const { call, result } of toolUses(parts)) {
      if (call !== null && result === null && isOpen(call)) {
        open.push({ runId: run.id, call });
      }
    }
  }
  return open;
}

/** Whether a call is allowed, and no executor has claimed it. */
function isOpen(call: ToolCallPart): boolean {
  return call.where === 'page' && call.allowed !== undefined && typeof call.executor !== 'string';
}

/** Make a call. An exception becomes a failed result, because the call may have been made in part. */
async function outcomeOf(tool: PageTool, call: ToolCallPart): Promise<CallResult> {
  const { tool_call_id: id = '', input, allowed } = call;
  try {
    return await tool.execute({ id, input, accepted: allowed?.accepted ?? null });
  } catch (error) {
    logError(error);
    return { success: false, output: 'The page could not make this call; its console tells why.' };
  }
}

function logError(error: unknown): void {
  console.warn('A tool call of this page failed:', error);
}
