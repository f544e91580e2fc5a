/** The parts from which the threads of a page are made. */
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
  /** The locale of numbers and dates, for `Intl`. */
  readonly locale: string;
  readonly recentModels: RecentModels;
  readonly preferences: Preferences;
  /** The channel on which pages announce a revoked consent; absent if the browser has no channels. */
  readonly otherPages?: OtherPages;
  readonly questions?: QuestionListener;
  /** The live context of notebooks; absent without notebooks. */
  readonly liveContext?: { readonly source: LiveSource; readonly choices: ContextChoices };
  /** Executes tool calls on this page; absent without notebooks. */
  readonly executor?: Pick<CallExecutor, 'offerIn' | 'update' | 'forget'>;
}
