/** Sentences about a tool call that does not run: what the call waits for, or why it was not made. Pure. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type ToolState, type ToolUse, callName } from '../../fold/tool-calls';

/** The tool that runs code in the kernel. It needs no function of a person. */
const KERNEL_TOOL = 'kernel';

/** The sentence for a state; null if the state's name says enough. */
export function toolHint(use: ToolUse, state: ToolState, trans: TranslationBundle): string | null {
  switch (state) {
    case 'waiting':
      return waitingText(use, trans);
    case 'refused':
      return trans.__('This call was not made: it was not allowed.');
    case 'expired':
      return use.call?.allowed === undefined
        ? trans.__('This call was not made: nobody answered in time.')
        : trans.__('This call was not made: nobody was there to execute it in time.');
    case 'interrupted':
      return trans.__(
        'The executor of this call is gone. The call may have been made in part, so it is not repeated.'
      );
    case 'called':
      return use.call?.where === undefined
        ? null
        : trans.__('The answer ended before this call had a result.');
    default:
      return null;
  }
}

/** What the call waits for, and what a person can do about it. */
function waitingText({ call, result }: ToolUse, trans: TranslationBundle): string {
  const name = call?.name ?? '';
  switch (call?.where) {
    case 'kernel':
      return name === KERNEL_TOOL
        ? trans.__(
            'Waiting for a kernel that is free. If it was restarted, run the cell that makes the chat again.'
          )
        : trans.__(
            'Waiting for a kernel that is free. If it was restarted, run the cell that defines %1 again.',
            name
          );
    case 'page':
      return trans.__(
        'Waiting for a page that can do %1. Open the notebook in JupyterLab.',
        callName({ call, result })
      );
    default:
      return trans.__('The server has not begun this call yet.');
  }
}
