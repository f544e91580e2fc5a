/** What the `/` commands of a composer do on the page. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type SlashActions, type SlashCall } from '../../composer/slash';
import { branch } from '../../fold/branch';
import { isEnd } from '../../protocol/records';
import { type ThreadClient } from '../../thread/model';

/** JupyterLab's command for a new chat; the side panel adds it. */
const NEW_CHAT = 'chat-stream:new';

interface SlashPlace {
  readonly client: ThreadClient;
  readonly trans: TranslationBundle;
  /** The run that Stop stops; null if none is active. */
  readonly activeRunId: string | null;
  /** Presses a button of the composer, by its test id. */
  readonly press: (testid: string) => void;
  readonly onLater: () => void;
  readonly onHelp: () => void;
}

/** Run a command. Returns whether it was complete; otherwise the reader was told what it lacks. */
export function runCommand({ command, argument }: SlashCall, place: SlashPlace): boolean {
  const { client, trans } = place;
  if (command.argument !== null && argument === '') {
    const argumentName = command.argument(trans);
    client.tell(trans.__('Type the %1 after /%2.', argumentName, command.name));
    return false;
  }
  client.tell(null);
  command.run(actionsOf(place), argument);
  return true;
}

function actionsOf(place: SlashPlace): SlashActions {
  const { client, trans, activeRunId } = place;
  return {
    newChat: () => {
      if (!client.page.execute(NEW_CHAT)) {
        client.tell(trans.__('This page cannot begin new chats.'));
      }
    },
    chooseModel: () => place.press('model'),
    attach: () => place.press('attach'),
    sendLater: place.onLater,
    help: place.onHelp,
    rename: title => void client.change({ title }),
    stop: () => {
      if (activeRunId === null) {
        client.tell(trans.__('No answer is being written.'));
      } else {
        void client.command(activeRunId, 'cancel');
      }
    },
    retry: () => {
      const last = branch(client.transcript).at(-1);
      if (last?.role === 'assistant' && last.run_id !== null && isEnd(last.status)) {
        void client.command(last.run_id, 'retry');
      } else {
        client.tell(trans.__('There is no finished answer to retry.'));
      }
    }
  };
}
