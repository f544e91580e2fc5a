/**
 * When the parts of a reply were written, and when its run's present phase began. Pure.
 *
 * They are only shown, and no part of the state of a thread: a snapshot does not hold them. A page
 * knows the times of the events that it has seen.
 */
import { type Message, type ThreadEvent } from '../protocol/records';

/** When a part was begun and finished. */
export interface PartTimes {
  readonly from: string;
  /** The last event that the part is known from; null for a tool call without a result. */
  readonly to: string | null;
}

export interface ReplyTimes {
  /** When the present phase of the run began; null after a snapshot. */
  readonly phaseAt: string | null;
  /** By index: the parts that are reasoning or tool calls. */
  readonly parts: ReadonlyMap<number, PartTimes>;
}

const UNKNOWN: ReplyTimes = { phaseAt: null, parts: new Map() };

/** The times after an event; `before` is the reply as it was before the event. */
export function timesAfter(
  times: ReplyTimes = UNKNOWN,
  event: ThreadEvent,
  before: Message
): ReplyTimes {
  switch (event.type) {
    case 'status':
    case 'input_request':
    case 'input':
      return { ...times, phaseAt: event.at };
    case 'delta': {
      const next = afterOpening(times, event.part, before, event.at);
      return event.kind === 'reasoning' ? afterReasoning(next, event.part, event.at) : next;
    }
    case 'tool_start':
      return withPart(afterOpening(times, event.part, before, event.at), event.part, {
        from: event.at,
        to: null
      });
    case 'tool_result': {
      const callIndex = before.parts.findIndex(
        part => part.kind === 'tool_call' && part.tool_call_id === event.tool_call_id
      );
      return endedAt(times, callIndex, event.at);
    }
    default:
      return times;
  }
}

/** A part that opens ends the reasoning before it: the model may think longer than it tells. */
function afterOpening(times: ReplyTimes, index: number, before: Message, at: string): ReplyTimes {
  const isOpening = index === before.parts.length;
  return isOpening && before.parts.at(-1)?.kind === 'reasoning'
    ? endedAt(times, index - 1, at)
    : times;
}

/** A model thinks before the first word of its reasoning: the first part begins with the phase. */
function afterReasoning(times: ReplyTimes, index: number, at: string): ReplyTimes {
  const from = times.parts.get(index)?.from ?? (index === 0 ? times.phaseAt : null) ?? at;
  return withPart(times, index, { from, to: at });
}

function endedAt(times: ReplyTimes, index: number, at: string): ReplyTimes {
  const span = times.parts.get(index);
  return span === undefined ? times : withPart(times, index, { from: span.from, to: at });
}

function withPart(times: ReplyTimes, index: number, part: PartTimes): ReplyTimes {
  return { ...times, parts: new Map([...times.parts, [index, part]]) };
}

/** How long a part took, in ms; null if this page did not see it. */
export function spanOf(part: PartTimes | undefined): number | null {
  const span_ms =
    part === undefined || part.to === null ? NaN : Date.parse(part.to) - Date.parse(part.from);
  return Number.isNaN(span_ms) ? null : span_ms;
}
