/** Texts that stand in several places of the page. A text is translated in one place. */
import { type TranslationBundle } from '@jupyterlab/translation';

type Text = (trans: TranslationBundle) => string;

export const asksYouText: Text = trans => trans.__('asks you');
export const attachFilesText: Text = trans => trans.__('Attach files');
export const beginChatText: Text = trans => trans.__('Begin a new chat');
export const cancelText: Text = trans => trans.__('Cancel');
export const closeText: Text = trans => trans.__('Close');
export const codeText: Text = trans => trans.__('Code');
export const copiedText: Text = trans => trans.__('Copied as Markdown');
export const copyAsMarkdownText: Text = trans => trans.__('Copy as Markdown');
export const fileText: Text = trans => trans.__('file');
export const findText: Text = trans => trans.__('Find in this chat');
export const noNotebookText: Text = trans => trans.__('No notebook is open.');
export const notCopiedText: Text = trans => trans.__('The browser did not allow copying');
export const openingText: Text = trans => trans.__('Opening the chat…');
export const outputText: Text = trans => trans.__('Output');
export const saveText: Text = trans => trans.__('Save');
export const sendText: Text = trans => trans.__('Send');
export const stoppedText: Text = trans => trans.__('Stopped');
export const tryAgainText: Text = trans => trans.__('Try again');

/** The label of the button that takes an item off a message. */
export const removeText = (name: string, trans: TranslationBundle): string =>
  trans.__('Remove %1', name);

/** The name of a cell: by the number of its last run, or by its place. */
export const cellText = (
  cell: { readonly executionCount: number | null; readonly index: number },
  trans: TranslationBundle
): string =>
  cell.executionCount === null
    ? trans.__('Cell %1', cell.index + 1)
    : trans.__('Cell [%1]', cell.executionCount);

/** The name of the error that a cell shows. */
export const errorOfText = (cell: string, trans: TranslationBundle): string =>
  trans.__('Error of %1', cell);

/** The text below an answer of this page that somebody else's answer came before. */
export const lateAnswerText = (answer: string, trans: TranslationBundle): string =>
  trans.__('Your answer “%1” was not used: someone else answered first.', answer);
