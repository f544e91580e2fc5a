/**
 * Asks a notebook's kernel for its variables.
 *
 * A busy kernel gets no request. If a cell starts between our check and our request, the request waits in
 * the kernel, and the page answers `busy` after PATIENCE_MS. While a request waits, the page sends no
 * other request to that kernel, so at most one request waits.
 */
import { type Clock } from '../connection/connection';
import { fieldsOf } from '../protocol/fields';
import { LISTING, describing, unpack } from './python';
import { type NoAnswer, type Variable, type VariableText, type Variables } from './values';

/** The part of a kernel's connection that this module uses. */
export interface AskedKernel {
  readonly status: string;
  readonly connectionStatus: string;
  readonly hasPendingInput: boolean;
  readonly info: Promise<{ readonly language_info: { readonly name: string } }>;
  requestExecute(content: {
    readonly code: string;
    readonly silent: boolean;
    readonly store_history: boolean;
    readonly user_expressions: { readonly [name: string]: string };
    readonly allow_stdin: boolean;
    readonly stop_on_error: boolean;
  }): { readonly done: Promise<unknown>; dispose(): void };
}

/** A kernel that does not answer within this time counts as busy. */
export const PATIENCE_MS = 1_500;
/** Bounds of a kernel's answer, which is untrusted. */
const MOST_ROWS = 200;
const LONGEST_FIELD = 300;
const LONGEST_TEXT = 21_000;

const NOT_READY: ReadonlyMap<string, NoAnswer> = new Map([
  ['busy', 'busy'],
  ['unknown', 'starting'],
  ['starting', 'starting'],
  ['restarting', 'starting'],
  ['autorestarting', 'starting'],
  ['dead', 'no_kernel'],
  ['terminating', 'no_kernel']
]);

export class KernelVariables {
  constructor(clock: Clock) {
    this._clock = clock;
  }

  /** Request the variables of a kernel. Simultaneous calls share one request. */
  async list(kernel: AskedKernel | null): Promise<Variables> {
    const answer = await this._ask(kernel, LISTING);
    return 'state' in answer ? answer : listOf(answer.value);
  }

  /** One variable as text. */
  async describe(kernel: AskedKernel | null, name: string): Promise<VariableText> {
    const answer = await this._ask(kernel, describing(name));
    if ('state' in answer) {
      return answer;
    }
    return typeof answer.value === 'string'
      ? { state: 'known', text: answer.value.slice(0, LONGEST_TEXT) }
      : { state: answer.value === null ? 'missing' : 'failed' };
  }

  private async _ask(kernel: AskedKernel | null, expression: string): Promise<Answer> {
    if (kernel === null) {
      return { state: 'no_kernel' };
    }
    const isConnected = kernel.connectionStatus === 'connected';
    const obstacle = isConnected ? NOT_READY.get(kernel.status) : 'starting';
    if (obstacle !== undefined || kernel.hasPendingInput) {
      return { state: obstacle ?? 'busy' };
    }
    const open = this._open.get(kernel);
    if (open?.expression === expression) {
      return open.answer;
    }
    await open?.answer;
    if (this._open.has(kernel)) {
      return { state: 'busy' };
    }
    const answer = this._withPatience(this._request(kernel, expression));
    this._open.set(kernel, { expression, answer });
    return answer;
  }

  /** Send a request, and remember it until the kernel has answered, however late that is. */
  private async _request(kernel: AskedKernel, expression: string): Promise<Answer> {
    try {
      const { language_info } = await kernel.info;
      if (!/^i?python$/i.test(language_info.name)) {
        return { state: 'other_language' };
      }
      const future = kernel.requestExecute({
        code: '',
        silent: true,
        store_history: false,
        user_expressions: { answer: expression },
        allow_stdin: false,
        stop_on_error: false
      });
      return answerOf(await future.done);
    } catch {
      return { state: 'failed' }; // the kernel was restarted, or its answer is invalid
    } finally {
      this._open.delete(kernel);
    }
  }

  private _withPatience(answer: Promise<Answer>): Promise<Answer> {
    return new Promise(resolve => {
      const cancel = this._clock.later(() => resolve({ state: 'busy' }), PATIENCE_MS);
      void answer.then(value => {
        cancel();
        resolve(value);
      });
    });
  }

  private readonly _clock: Clock;
  private readonly _open = new WeakMap<
    AskedKernel,
    { expression: string; answer: Promise<Answer> }
  >();
}

type Answer = { readonly value: unknown } | { readonly state: NoAnswer };

/** Read the reply of a request. @throws Error if it is no reply to our expression. */
function answerOf(message: unknown): Answer {
  const { status, user_expressions: answers } = fieldsOf(fieldsOf(message)['content']);
  if (status === 'aborted') {
    return { state: 'busy' }; // an earlier cell has failed, so the kernel has dropped our request
  }
  const answer = fieldsOf(fieldsOf(answers)['answer']);
  if (answer['status'] !== 'ok') {
    return { state: 'failed' };
  }
  return { value: unpack(fieldsOf(answer['data'])['text/plain']) };
}

function listOf(value: unknown): Variables {
  if (!Array.isArray(value) || !Array.isArray(value[0])) {
    return { state: 'failed' };
  }
  const [rows, more] = value as [unknown[], unknown];
  return {
    state: 'known',
    variables: rows.slice(0, MOST_ROWS).flatMap(variableOf),
    more: typeof more === 'number' ? more : 0
  };
}

function variableOf(row: unknown): Variable[] {
  if (!Array.isArray(row)) {
    return [];
  }
  const [name = '', type = '', shape = '', summary = ''] = row.map(text =>
    String(text).slice(0, LONGEST_FIELD)
  );
  return name === '' ? [] : [{ name, type, shape, summary }];
}
