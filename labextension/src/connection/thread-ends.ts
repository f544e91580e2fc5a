/** Sentences for the person: why a thread cannot be followed, and why a command failed. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { type Transcript } from '../fold/transcript';
import { type Api, ApiError } from './api';

/** Why a thread cannot be followed, or cannot be followed any longer. */
export interface ThreadEnd {
  readonly why: 'missing' | 'deleted' | 'absent' | 'refused';
  readonly message: string;
}

export function explain(error: unknown, trans: TranslationBundle): string {
  if (error instanceof ApiError && error.code === 'run_begun') {
    return trans.__('The answer to this message has begun, so the message stays as it is.');
  }
  return error instanceof ApiError ? error.message : trans.__('Something went wrong on this page.');
}

function missingText(trans: TranslationBundle): string {
  return trans.__('This chat is not on this server, or it belongs to someone else.');
}

export function explainEnd(
  error: { readonly code: string; readonly message: string } | null,
  transcript: Transcript,
  trans: TranslationBundle
): ThreadEnd {
  if (error === null || transcript.thread?.deleted === true) {
    return { why: 'deleted', message: trans.__('This chat was deleted.') };
  }
  return error.code.endsWith('not_found')
    ? { why: 'missing', message: missingText(trans) }
    : { why: 'refused', message: error.message };
}

/** Ask the server whether it has the API and a thread; `fallback` if the server does not tell. */
export async function probedEnd(
  threadId: string,
  { api, trans }: { readonly api: Api; readonly trans: TranslationBundle },
  fallback: ThreadEnd | null
): Promise<ThreadEnd | null> {
  try {
    await api.request({ method: 'GET', path: `threads/${encodeURIComponent(threadId)}` });
    return null;
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404) {
      return fallback;
    }
    return error.code === 'foreign'
      ? { why: 'absent', message: error.message }
      : { why: 'missing', message: missingText(trans) };
  }
}
