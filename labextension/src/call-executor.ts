/**
 * Executes tool calls on this page: finds those that wait for it in the log, claims one, makes it, and
 * sends its result (L12, L14).
 *
 * The server decides who executes a call, so several pages may find the same one. A call is made once:
 * after a claim that succeeded, only its result is sent again, until the server has it or refuses it.
 */
import { type Api, ApiError } from './api';
import { type Clock } from './connection';
import { type Follower } from './follower';
import { type ToolCallPart, isEnd } from './protocol';
import { toolUses } from './tool-calls';
import { type Transcript } from './transcript';

/** A tool of this page. */
export interface PageTool {
  /** As the server lists it, see docs/protocol.md. */
  readonly definition: { readonly name: string };
  /** Whether this page can make a call with this input; if not, it leaves the call to others. */
  canExecute(input: unknown): boolean;
  /** Make a call. It takes no time that a person notices, so its claim needs no renewal. */
  execute(input: unknown): { readonly success: boolean; readonly output: unknown };
}

export interface CallExecutorOptions {
  readonly api: Api;
  readonly clock: Clock;
  readonly tools: readonly PageTool[];
  /** The id of this page among all executors. */
  readonly id: string;
  /** Its name for people. */
  readonly label: string;
}

/** The delay before a result is sent again: the first, and how many times it doubles. */
const FIRST_DELAY_MS = 500;
const MOST_TRIES = 7;
const MOST_REMEMBERED = 1_000;

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

  /** A thread has a new state: make the calls in it that wait for this page. */
  moved(state: Transcript): void {
    const { thread, messages, runs } = state;
    let isLeft = false;
    for (const run of runs.values()) {
      const parts = isEnd(run.status) ? [] : (messages.get(run.message_id)?.parts ?? []);
      for (const { call, result } of toolUses(parts)) {
        if (call !== null && result === null && isOpen(call)) {
          isLeft = this._leaves(run.id, call) || isLeft;
        }
      }
    }
    if (thread !== null && isLeft) {
      this._left.set(thread.id, state);
    } else if (thread !== null) {
      this._left.delete(thread.id);
    }
  }

  /** The tools of this page can do more or less than before: another notebook is open. */
  lookAgain(): void {
    [...this._left.values()].forEach(state => this.moved(state));
  }

  /** Make a call of a tool of this page. Returns whether this page cannot make it now. */
  private _leaves(runId: string, call: ToolCallPart): boolean {
    const tool = this._options.tools.find(({ definition }) => definition.name === call.name);
    const key = `${runId} ${call.tool_call_id ?? ''}`;
    if (tool === undefined || this._begun.has(key)) {
      return false;
    }
    if (!tool.canExecute(call.input)) {
      return true;
    }
    this._remember(key);
    this._make(runId, call, tool).then(isDecided => {
      if (!isDecided) {
        this._begun.delete(key);
      }
    }, logged);
    return false;
  }

  private _remember(key: string): void {
    this._begun.add(key);
    const [oldest] = this._begun;
    if (this._begun.size > MOST_REMEMBERED && oldest !== undefined) {
      this._begun.delete(oldest);
    }
  }

  /** Returns whether the server has decided who executes the call. */
  private async _make(runId: string, call: ToolCallPart, tool: PageTool): Promise<boolean> {
    const { api, label } = this._options;
    const path = `runs/${encodeURIComponent(runId)}/tools/${encodeURIComponent(call.tool_call_id ?? '')}`;
    let claim: string;
    try {
      const body = { executor: label };
      const claimed = await api.request({ method: 'POST', path: `${path}/claim`, body });
      claim = (claimed as { claim: string }).claim;
    } catch (error) {
      // Another executor has it, or the call has ended: the log tells.
      return error instanceof ApiError && isRefusal(error);
    }
    const result = outcomeOf(tool, call.input);
    await this._send(`${path}/result`, { claim, ...result });
    return true;
  }

  /** Send a result until the server has it: a repeated one is refused, and nothing is lost by that. */
  private async _send(path: string, body: object): Promise<void> {
    const { api, clock } = this._options;
    for (let tries = 1; ; tries += 1) {
      try {
        await api.request({ method: 'POST', path, body });
        return;
      } catch (error) {
        const isKnown = error instanceof ApiError && error.code === 'tool_call_not_open';
        if (isKnown || !(error instanceof ApiError) || isRefusal(error) || tries >= MOST_TRIES) {
          return isKnown ? undefined : logged(error);
        }
      }
      const delay_ms = FIRST_DELAY_MS * 2 ** (tries - 1);
      await new Promise<void>(resolve => clock.later(resolve, delay_ms));
    }
  }

  private readonly _options: CallExecutorOptions;
  /** By thread: the last states with calls that this page cannot make now. */
  private readonly _left = new Map<string, Transcript>();
  /** The calls that are under way or decided. Bound: MOST_REMEMBERED; an older one is asked again. */
  private readonly _begun = new Set<string>();
}

function isRefusal({ status }: ApiError): boolean {
  return status >= 400 && status < 500;
}

/** Whether a call may be made, and nobody has claimed it. */
function isOpen(call: ToolCallPart): boolean {
  return call.where === 'page' && call.allowed !== undefined && typeof call.executor !== 'string';
}

/** Make a call. An error of ours is a failed result, because the call may have been made in part. */
function outcomeOf(tool: PageTool, input: unknown): ReturnType<PageTool['execute']> {
  try {
    return tool.execute(input);
  } catch (error) {
    logged(error);
    return { success: false, output: 'The page could not make this call; its console tells why.' };
  }
}

function logged(error: unknown): void {
  console.warn('A tool call of this page failed:', error);
}
