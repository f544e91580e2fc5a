/** The dialog with all standing consents of a person. Loaded when it is first opened. */
import { Dialog, ReactWidget } from '@jupyterlab/apputils';

import { type IChatPage } from '../page/tokens';
import { closeText } from '../text/texts';
import { ConsentList } from '../view/tools/standing-consents';

/** Show the dialog. Ends when the person closes it. */
export async function showConsents(
  page: IChatPage,
  open: (threadId: string) => void
): Promise<void> {
  const { trans } = page.services.language;
  const onOpen = (threadId: string): void => {
    dialog.reject();
    open(threadId);
  };
  const body = ReactWidget.create(
    <div className="jp-ChatStream jp-ChatStream-consentsDialog">
      <p>
        {trans.__(
          'You have allowed these tools without a question. A tool asks you again as soon as you revoke its consent.'
        )}
      </p>
      <ConsentList consents={page.threads.consents} trans={trans} threadId={null} onOpen={onOpen} />
    </div>
  );
  const dialog = new Dialog({
    title: trans.__('Tools Allowed Without Asking'),
    body,
    buttons: [Dialog.okButton({ label: closeText(trans) })],
    hasClose: true
  });
  await dialog.launch();
}
