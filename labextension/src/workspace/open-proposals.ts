/** Lists the proposals in this page's threads that wait for a person's consent. */
import { callName, toolState, toolUses } from '../fold/tool-calls';
import { type Transcript } from '../fold/transcript';
import { type ToolCallPart, isEnd } from '../protocol/records';
import { Notifier } from '../state/store';
import { NOTEBOOK_TOOL } from './notebook-definition';

/** A call that proposes edits, with the question about it. */
export interface OpenProposal {
  readonly threadId: string;
  readonly runId: string;
  readonly requestId: string;
  readonly call: ToolCallPart;
  /** Whether cells can be accepted one by one. */
  readonly isPartial: boolean;
}

/** Whether a call of this page's tool proposes edits. */
export function isProposal(call: ToolCallPart): boolean {
  return (
    call.where === 'page' && callName({ call, result: null }) === `${NOTEBOOK_TOOL.name}.propose`
  );
}

export class OpenProposals extends Notifier {
  /** Moves the focus to a proposal that is shown at cells; returns whether there is one. */
  goTo: () => boolean = () => false;

  /** All open proposals; the proposals of one thread in their order. */
  list(): readonly OpenProposal[] {
    return [...this._threads.values()].flat();
  }

  /** Read the open proposals from a thread's new state. */
  update(state: Transcript): void {
    const { thread } = state;
    if (thread !== null) {
      this._set(thread.id, openIn(thread.id, state));
    }
  }

  /** Drop a thread that this page does not follow any more. */
  forget(threadId: string): void {
    this._set(threadId, []);
  }

  private _set(threadId: string, proposals: readonly OpenProposal[]): void {
    const idsOf = (openProposals: readonly OpenProposal[] | undefined): string =>
      (openProposals ?? []).map(({ requestId }) => requestId).join();
    if (idsOf(this._threads.get(threadId)) === idsOf(proposals)) {
      return;
    }
    if (proposals.length > 0) {
      this._threads.set(threadId, proposals);
    } else {
      this._threads.delete(threadId);
    }
    this._notify();
  }

  private readonly _threads = new Map<string, readonly OpenProposal[]>();
}

function openIn(threadId: string, { messages, runs }: Transcript): readonly OpenProposal[] {
  const open: OpenProposal[] = [];
  for (const run of runs.values()) {
    const parts = isEnd(run.status) ? [] : (messages.get(run.message_id)?.parts ?? []);
    for (const use of toolUses(parts)) {
      const { call, consent } = use;
      if (
        call !== null &&
        consent !== null &&
        toolState(use, false) === 'asks' &&
        isProposal(call)
      ) {
        const isPartial = consent.choices?.includes('some') === true;
        open.push({ threadId, runId: run.id, requestId: consent.request_id, call, isPartial });
      }
    }
  }
  return open;
}
