// A page that executes tool calls and shows nothing, for the fault tests that kill browsers (L12, L14).
//
// It is the page's own connection and executor, with tools that only tell the test of each call. Both
// requests to the test are synchronous: until the test answers, nothing else happens in the page. The test
// does not answer a page that has arrived at its last event; it kills the browser.
import { ServerConnection } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';

import { newKey } from '../src/connection/api';
import { type Clock, Connection } from '../src/connection/connection';
import { ServerApi } from '../src/connection/server-api';
import { CallExecutor } from '../src/tools/call-executor';

interface Given {
  readonly token: string;
  readonly thread: string;
  /** Where the page tells the test what it does. */
  readonly told: string;
  /** The seq of the last event that the page sees; null for no last one. */
  readonly last: number | null;
  readonly tools: readonly { readonly name: string }[];
}

declare global {
  interface Window {
    executeCalls(given: Given): void;
  }
}

const CLOCK: Clock = {
  now: () => Date.now(),
  later: (action, delay_ms) => {
    const timer = setTimeout(action, delay_ms);
    return () => clearTimeout(timer);
  }
};

window.executeCalls = ({ token, thread, told, last, tools }) => {
  const tell = (what: string): void => {
    const request = new XMLHttpRequest();
    request.open('POST', `${told}/${thread}/${what}`, false);
    request.send();
  };
  const settings = ServerConnection.makeSettings({
    baseUrl: `${location.origin}/`,
    wsUrl: `${location.origin.replace('http', 'ws')}/`,
    token,
    appendToken: true
  });
  const api = new ServerApi(settings, nullTranslator.load('jupyterlab'));
  const connection = new Connection({
    openSocket: () => api.openSocket(),
    poll: (threadId, after, wait_s, signal) => api.poll(threadId, after, wait_s, signal),
    clock: CLOCK,
    random: Math.random
  });
  const executor = new CallExecutor({
    api,
    clock: CLOCK,
    tools: tools.map(definition => ({
      definition,
      canExecute: () => true,
      execute: () => {
        tell(definition.name);
        return { success: true, output: definition.name };
      }
    })),
    id: newKey(),
    label: 'a page'
  });
  const follower = connection.follow(thread, () => {
    if (last !== null && follower.transcript.seq >= last) {
      tell('last');
    }
    executor.update(follower.transcript);
  });
  executor.offerIn(follower);
};
