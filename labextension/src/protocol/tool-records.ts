/** The values of tools on the wire, beside those of `records.ts`. */

/** The process that executes a tool's calls: the server, a kernel's client, a page. */
export type ToolWhere = 'server' | 'kernel' | 'page';

/** What a call does: it reads, it changes documents or settings, or it runs code. */
export type ToolEffect = 'read' | 'change' | 'run';

export type ToolMode = 'ask' | 'accept_edits' | 'read_only';

/** What a person may answer to a question of consent. `some` names the accepted parts of the call. */
export type ConsentChoice = 'once' | 'some' | 'thread' | 'always' | 'no';

/** Why a call that nobody made has failed. */
export type FailedFor = 'refused' | 'expired' | 'interrupted' | 'denied';

/** Which tools the messages of a thread have, and what they may do without a question. */
export interface ThreadTools {
  readonly mode: ToolMode;
  /** Tools beside the offered functions; null for only the functions. */
  readonly names: readonly string[] | null;
}

/** A tool of a thread, with what stands between it and its next call. */
export interface ListedTool {
  readonly name: string;
  readonly description: string;
  readonly input_schema: Readonly<Record<string, unknown>>;
  readonly where: ToolWhere;
  readonly effect: ToolEffect;
  /** With it, the input's `operation` is one of these, each with an effect of its own. */
  readonly operations?: Readonly<Record<string, ToolEffect>>;
  readonly idempotent?: boolean;
  /** Whether a person may accept parts of a call. */
  readonly partial?: boolean;
  /** `builtin`, `function` or `mcp:<server>`. */
  readonly source: string;
  /** With operations: that of the operation which needs most. */
  readonly consent: 'none' | 'ask' | 'thread' | 'always' | 'denied';
  /** Whether the thread's next message brings it to the model. */
  readonly is_on: boolean;
}

/** Tools that are not there although the server's settings name them, and why. */
export interface ToolProblem {
  /** The source of the tools; `mcp` of all MCP servers together. */
  readonly source: string;
  readonly message: string;
}

/** A standing consent of a person to a tool, as the tool was defined then. */
export interface StandingConsent {
  readonly id: string;
  readonly tool: string;
  readonly operation: string | null;
  /** Null for all threads. */
  readonly thread_id: string | null;
  readonly at: string;
}

/** Who allowed a tool call, and when. */
export interface ToolAllowance {
  readonly consent: 'none' | 'mode' | 'once' | 'thread' | 'always';
  /** Null if nobody was asked. */
  readonly by: string | null;
  readonly at: string;
  /** The parts of the call that may be made, in words of its tool; absent for all of it. */
  readonly accepted?: readonly string[];
}
