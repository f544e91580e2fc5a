/** The questions that runs ask a person, and what became of them. Pure. */
import { type InputRequestPart, type Message, type Run, isEnd } from '../protocol/records';

/** What became of a question. */
export type QuestionState = 'open' | 'answered' | 'expired' | 'unanswered';

/** This page's reply to a question that someone else answered first. */
export interface LostAnswer {
  readonly mine: unknown;
  readonly value: unknown;
  readonly by: string;
}

/** What became of a question of this message. Only a waiting run has an open question. */
export function questionState(
  part: InputRequestPart,
  message: Message,
  run: Run | undefined
): QuestionState {
  if (part.by !== null) {
    return 'answered';
  }
  if (part.request_kind === 'consent') {
    return consentState(part, message);
  }
  const questions = message.parts.filter(
    other => other.kind === 'input_request' && other.request_kind !== 'consent'
  );
  const isLast = part === questions.at(-1);
  if (isLast && message.status === 'waiting' && run?.phase !== 'retrying') {
    return 'open';
  }
  return isLast && message.error?.code === 'input_expired' ? 'expired' : 'unanswered';
}

/** A consent stays open while other calls run, until its own call has a result. */
function consentState(part: InputRequestPart, message: Message): QuestionState {
  const hasResult = message.parts.some(
    other => other.kind === 'tool_result' && other.tool_call_id === part.tool_call_id
  );
  return hasResult ? 'expired' : isEnd(message.status) ? 'unanswered' : 'open';
}

/** The question that a run waits for; undefined if the run asks nothing now. */
export function openQuestion(message: Message, run: Run | undefined): InputRequestPart | undefined {
  return message.parts
    .filter(part => part.kind === 'input_request')
    .find(part => questionState(part, message, run) === 'open');
}
