/** What choosing an option does: the text that takes the place of the query, and what travels. */
import { type ThreadClient } from '../thread/model';
import { type Place, type Variable, type Workspace } from '../workspace/values';
import { cellMention, outputMention, variableMention } from './items';
import { type MentionOption } from './options';
import { type MentionQuery, escape } from './query';

/**
 * The text that takes the place of the query. A kind and a folder leave the query open, so the text
 * ends where more is typed.
 */
export function textFor(option: MentionOption, query: MentionQuery): string {
  switch (option.kind) {
    case 'kind':
      return `@${option.of}:`;
    case 'folder':
      return `@${query.kind === 'file' ? 'file:' : ''}${escape(option.typedPath)}/`;
    case 'cell':
    case 'output':
      return `@${option.kind}${option.reference} `;
    case 'variable':
      return `@${option.variable.name} `;
    case 'file':
      return `@${option.typedPath} `;
  }
}

/** Attach what was chosen to the next message, as it is now. */
export function attachChosen(
  option: MentionOption,
  client: ThreadClient,
  workspace: Workspace | null,
  place: Place | null
): void {
  switch (option.kind) {
    case 'cell':
      client.mention(cellMention(option.cell, option.reference));
      break;
    case 'output':
      client.mention(outputMention(option.cell, option.reference));
      break;
    case 'variable':
      void attachVariable(option.variable, client, workspace, place);
      break;
    case 'file':
      client.attachPaths([option.entry.path]);
      break;
    case 'kind':
    case 'folder':
      break;
  }
}

/** Attach what the list tells of a variable at once, and its value as soon as the kernel answers. */
async function attachVariable(
  variable: Variable,
  client: ThreadClient,
  workspace: Workspace | null,
  place: Place | null
): Promise<void> {
  const path = place?.path ?? '';
  const key = client.mention(variableMention(variable, path, null));
  const description = await workspace?.describe(path, variable.name);
  if (description?.state === 'known' && key !== null) {
    client.updateMention(key, variableMention(variable, path, description.text).text);
  }
}
