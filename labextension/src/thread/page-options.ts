/** What the threads of a page are made of. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type DraftStore } from '../composer/drafts';
import { type Api } from '../connection/api';
import { type Clock, type Connection } from '../connection/connection';
import { type FolderEntry } from '../connection/folders';
import { type RecentModels } from '../models/recent-models';
import { type CallExecutor } from '../tools/call-executor';
import { type OtherPages } from '../tools/standing-consents';
import { type ContextChoices, type LiveSource } from './live-context';
import { type Preferences } from './preferences';
import { type QuestionListener } from './sending';

export interface PageOptions {
  readonly api: Api;
  readonly connection: Connection;
  readonly drafts: DraftStore;
  readonly clock: Clock;
  /** Calls `action` once, before the next frame is drawn. */
  readonly onFrame: (action: () => void) => void;
  readonly trans: TranslationBundle;
  /** Reads a file of the contents API. @throws ApiError if it cannot be read or is too large. */
  readonly readFile: (path: string, maxBytes: number | null) => Promise<Blob>;
  /** Lists a folder of the contents API. */
  readonly listFolder: (path: string) => Promise<readonly FolderEntry[]>;
  /** Runs a command of JupyterLab. Returns whether the page has it. */
  readonly execute: (command: string) => boolean;
  /** For `Intl`: the language of numbers and dates. */
  readonly locale: string;
  readonly recentModels: RecentModels;
  readonly preferences: Preferences;
  /** Where pages tell each other that a standing consent was revoked; absent where none can. */
  readonly otherPages?: OtherPages;
  readonly questions?: QuestionListener;
  /** What messages send along of notebooks; absent where there are none. */
  readonly liveContext?: { readonly source: LiveSource; readonly choices: ContextChoices };
  /** Executes tool calls on this page; absent where there are no notebooks. */
  readonly executor?: Pick<CallExecutor, 'offerIn' | 'moved' | 'forget'>;
}
