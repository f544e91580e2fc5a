/**
 * Handles shortcuts while the focus is in a chat.
 *
 * The chat hides its keys from the page (`view/controls/keys.ts`), so that no key changes a notebook. This
 * module runs the commands that the person has bound to a key: the chat's own commands, and, in the panel
 * and in tabs, the commands with the selector `body`, which work everywhere.
 */
import { CommandRegistry } from '@lumino/commands';

type Binding = CommandRegistry.IKeyBinding;

const SUPPRESSED = '[data-lm-suppress-shortcuts]';
const EVERYWHERE = 'body';

/** The binding of a key in a chat; undefined if there is none. */
export function bindingFor(
  bindings: readonly Binding[],
  keystroke: string,
  target: Element
): Binding | undefined {
  const isBesideNotebooks = target.closest('.jp-ChatStream-place') !== null;
  const hasModifier = /^(Ctrl|Cmd|Alt)\b/.test(keystroke);
  const matching = bindings.filter(({ keys, command, selector }) => {
    const isKey = keys.length === 1 && keys[0] === keystroke;
    const isOurs = command.startsWith('chat-stream:') && target.closest(selector) !== null;
    return isKey && (isOurs || (isBesideNotebooks && hasModifier && selector === EVERYWHERE));
  });
  return matching.find(({ selector }) => selector !== EVERYWHERE) ?? matching[0];
}

/** Listen for keys in chats, as long as the page lives. */
export function listenToKeys(commands: CommandRegistry): void {
  const onKeyDown = (event: KeyboardEvent): void => {
    const { target } = event;
    // JupyterLab handles the keys of all other elements itself.
    if (!(target instanceof Element) || target.closest(SUPPRESSED) === null) {
      return;
    }
    const keystroke = CommandRegistry.keystrokeForKeydownEvent(event);
    const binding = bindingFor(commands.keyBindings, keystroke, target);
    if (binding !== undefined && commands.isEnabled(binding.command, binding.args)) {
      event.preventDefault();
      event.stopPropagation();
      void commands.execute(binding.command, binding.args);
    }
  };
  document.addEventListener('keydown', onKeyDown, true);
}
