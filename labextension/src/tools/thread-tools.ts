/**
 * The tools of a thread: the list of them, which ones are on, and the mode.
 *
 * The page requests the list when a person opens the menu, so unused tools cost nothing. The page sends
 * changes to the server one after the other; each request contains the earlier changes.
 */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Api } from '../connection/api';
import { explain } from '../connection/thread-ends';
import { asObject, listOf } from '../protocol/parse';
import {
  type ListedTool,
  type ThreadTools,
  type ToolMode,
  type ToolProblem
} from '../protocol/records';
import { Store } from '../state/store';
import { type StandingConsents } from './standing-consents';

const UNSET_TOOLS: ThreadTools = { mode: 'ask', names: null };
const FUNCTION = 'function';
const MCP = 'mcp:';

/** Immutable. */
export interface ToolListState {
  /** Null until the first list has arrived. */
  readonly list: readonly ListedTool[] | null;
  /** Why some tools of the server's settings are missing. */
  readonly missing: readonly ToolProblem[];
  readonly isLoading: boolean;
  /** Why the last request failed. */
  readonly problem: string | null;
  /** The mode and the names of the tools, including the changes that this page is sending. */
  readonly tools: ThreadTools;
}

interface ThreadToolsOptions {
  readonly api: Api;
  readonly threadId: string;
  readonly consents: StandingConsents;
  /** Returns the thread's tools as the log has them. */
  readonly readLog: () => ThreadTools | undefined;
  /** Sends the change. Returns whether the server has taken it. */
  readonly send: (fields: { readonly tools: ThreadTools }) => Promise<boolean>;
  readonly trans: TranslationBundle;
}

export class ThreadToolList extends Store<ToolListState> {
  constructor(private readonly _options: ThreadToolsOptions) {
    const tools = _options.readLog() ?? UNSET_TOOLS;
    super({ list: null, missing: [], isLoading: false, problem: null, tools });
    this.consents = _options.consents;
  }

  /** The reader's standing consents, in all threads. */
  readonly consents: StandingConsents;

  /** Request the tools of the thread. The page keeps the old list until the response arrives. */
  async load(): Promise<void> {
    const { api, threadId, trans } = this._options;
    this._set({ isLoading: true });
    try {
      const path = `tools?thread_id=${encodeURIComponent(threadId)}`;
      const response = await api.request({ method: 'GET', path });
      const [list, missing] = [parseTools(response), parseProblems(response)];
      this._set({ list, missing, isLoading: false, problem: null });
    } catch (error) {
      this._set({ isLoading: false, problem: explain(error, trans) });
    }
  }

  async setMode(mode: ToolMode): Promise<void> {
    await this._change({ ...this._tools, mode });
  }

  /** Turn a tool on or off. A person's function is on as long as its kernel offers it. */
  async setOn(name: string, isOn: boolean): Promise<void> {
    const onTools = (this._state.list ?? []).filter(tool => tool.source !== FUNCTION && tool.is_on);
    const before = this._tools.names ?? onTools.map(tool => tool.name);
    const others = before.filter(other => other !== name);
    await this._change({ ...this._tools, names: isOn ? [...others, name] : others });
  }

  /** Read the tools from the log again, after new events: another page may have changed them. */
  update(): void {
    if (JSON.stringify(this._state.tools) !== JSON.stringify(this._tools)) {
      this._set({});
    }
  }

  /** The tools as the server will have them after the requests under way. */
  private get _tools(): ThreadTools {
    return this._pending ?? this._options.readLog() ?? UNSET_TOOLS;
  }

  private async _change(tools: ThreadTools): Promise<void> {
    this._pending = tools;
    this._set({});
    this._last = this._last.then(async () => {
      if (this._pending === null) {
        return; // an earlier request has failed, and this change depends on that request
      }
      const sentTools = this._pending;
      const isDone = await this._options.send({ tools: sentTools });
      if (!isDone) {
        this._pending = null;
      }
      await this.load();
      if (this._pending === sentTools) {
        this._pending = null;
      }
      this._set({});
    });
    await this._last;
  }

  protected override _set(change: Partial<ToolListState>): void {
    super._set({ ...change, tools: this._tools });
  }

  private _pending: ThreadTools | null = null;
  private _last: Promise<void> = Promise.resolve();
}

/** Whether a tool is a function of a person; `names` does not turn functions on or off. */
export function isFunction(tool: ListedTool): boolean {
  return tool.source === FUNCTION;
}

/** Whether a tool is on, including the changes that this page is sending. */
export function isOn(tool: ListedTool, { names }: ThreadTools): boolean {
  return isFunction(tool) || names === null ? tool.is_on : names.includes(tool.name);
}

/** The MCP server that has a tool; null for a tool of another kind. */
export function mcpServerOf({ source }: ListedTool): string | null {
  return source.startsWith(MCP) ? (source.slice(MCP.length).split('.')[0] ?? null) : null;
}

const CONSENTS = ['none', 'ask', 'thread', 'always', 'denied'];

/** Read the response to GET tools, without the tools that this page cannot show. */
function parseTools(value: unknown): readonly ListedTool[] {
  const { tools } = asObject(value, 'The tools');
  return listOf(tools)
    .filter(({ name, consent }) => typeof name === 'string' && CONSENTS.includes(String(consent)))
    .map(wire => wire as unknown as ListedTool);
}

/** Read the reasons for missing tools from the response to GET tools. */
function parseProblems(value: unknown): readonly ToolProblem[] {
  return listOf(asObject(value, 'The tools')['problems']).map(({ source, message }) => ({
    source: String(source),
    message: String(message)
  }));
}
