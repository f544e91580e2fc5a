/**
 * The `/` commands of the composer. Pure.
 *
 * Only a text that is a command and nothing else is one: `/usr/bin is full` and `/stop the car` are
 * messages. A space before the slash makes a message of a command, too.
 */
import { type TranslationBundle } from '@jupyterlab/translation';
import { attachFilesText, beginChatText } from '../text/texts';

/** What a command can use. */
export interface SlashActions {
  readonly newChat: () => void;
  readonly chooseModel: () => void;
  readonly sendLater: () => void;
  readonly attach: () => void;
  readonly stop: () => void;
  readonly retry: () => void;
  readonly rename: (title: string) => void;
  readonly help: () => void;
}

export interface SlashCommand {
  /** Without the slash. */
  readonly name: string;
  /** How the argument is called; null for a command without one. */
  readonly argument: ((trans: TranslationBundle) => string) | null;
  readonly about: (trans: TranslationBundle) => string;
  readonly run: (actions: SlashActions, argument: string) => void;
}

export const SLASH_COMMANDS: readonly SlashCommand[] = [
  {
    name: 'new',
    argument: null,
    about: beginChatText,
    run: actions => actions.newChat()
  },
  {
    name: 'model',
    argument: null,
    about: trans => trans.__('Choose the model'),
    run: actions => actions.chooseModel()
  },
  {
    name: 'title',
    argument: trans => trans.__('new title'),
    about: trans => trans.__('Rename this chat'),
    run: (actions, title) => actions.rename(title)
  },
  {
    name: 'stop',
    argument: null,
    about: trans => trans.__('Stop the answer'),
    run: actions => actions.stop()
  },
  {
    name: 'retry',
    argument: null,
    about: trans => trans.__('Answer the last question again'),
    run: actions => actions.retry()
  },
  {
    name: 'later',
    argument: null,
    about: trans => trans.__('Send a message later'),
    run: actions => actions.sendLater()
  },
  {
    name: 'attach',
    argument: null,
    about: attachFilesText,
    run: actions => actions.attach()
  },
  {
    name: 'help',
    argument: null,
    about: trans => trans.__('Show what can be typed here'),
    run: actions => actions.help()
  }
];

export interface SlashCall {
  readonly command: SlashCommand;
  /** Empty for a command without one, and for one that lacks it. */
  readonly argument: string;
}

/** The command that a whole text is; null for a message. */
export function slashCall(text: string): SlashCall | null {
  const [, name, rest] = /^\/([a-z]+)(?:\s+([^]*))?$/.exec(text.trimEnd()) ?? [];
  const command = SLASH_COMMANDS.find(item => item.name === name);
  const argument = (rest ?? '').trim();
  if (command === undefined || (command.argument === null && argument !== '')) {
    return null;
  }
  return argument.includes('\n') ? null : { command, argument };
}

/** The commands that a text begins; empty unless the caret is at its end. */
export function slashOptions(text: string, caret: number): readonly SlashCommand[] {
  const prefix = caret === text.length ? /^\/([a-z]*)$/.exec(text)?.[1] : undefined;
  return prefix === undefined
    ? []
    : SLASH_COMMANDS.filter(command => command.name.startsWith(prefix));
}
