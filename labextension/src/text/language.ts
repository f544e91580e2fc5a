/**
 * The language of the page: its translated texts, and the language in which it writes dates.
 *
 * Every text that this extension shows is written once, as `trans.__('…')` (or `trans._n` for a
 * number of things), where it is shown. Not translated are texts that do not come from the page:
 * errors of the server, and the texts that `endings.ts` and `snapshot.ts` in `fold/` share with Python.
 */
import { type ITranslator, type TranslationBundle, nullTranslator } from '@jupyterlab/translation';

/** The catalogue in a language pack: the name of the Python package. */
const DOMAIN = 'jupyter_chat_stream';

export interface Language {
  readonly trans: TranslationBundle;
  /** For `Intl`: a BCP 47 tag. */
  readonly locale: string;
}

/** The language that JupyterLab is set to; English without a translator. */
export function languageOf(translator: ITranslator | null): Language {
  const { languageCode } = translator ?? nullTranslator;
  return {
    trans: (translator ?? nullTranslator).load(DOMAIN),
    // English dates in the order "Mon 23 Nov", which no other order can be mistaken for.
    locale: languageCode === 'en' ? 'en-GB' : languageCode
  };
}
