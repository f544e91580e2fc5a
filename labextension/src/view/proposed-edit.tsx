/** What a proposed edit does to a notebook of this page, in words, above the edit as it will be made. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement } from 'react';

import { revealed } from '../hidden-characters';
import { type ToolCallPart } from '../protocol';
import { fieldsOf, operationOf } from '../tool-calls';
import { NOTEBOOK_TOOL } from '../workspace/notebook-tool';
import { versionOf } from '../workspace/proposals';
import { useTrans, useWorkspace } from './hooks';
import { type ItemTitle, TextBox } from './tool-input';

/** The titles of the edits of a proposal; undefined for another call. */
export function editTitles(call: ToolCallPart): ItemTitle | undefined {
  const { path } = fieldsOf(call.input);
  const isOfPage = call.where === 'page' && call.name === NOTEBOOK_TOOL.name;
  if (!isOfPage || operationOf(call.input) !== 'propose' || typeof path !== 'string') {
    return undefined;
  }
  return { field: 'edits', draw: edit => <EditTitle path={path} edit={edit} /> };
}

/** The words, and what the cell holds now that is replaced or deleted. */
function EditTitle(props: {
  readonly path: string;
  readonly edit: Readonly<Record<string, unknown>>;
}): ReactElement | null {
  const { path, edit } = props;
  const trans = useTrans();
  const workspace = useWorkspace();
  const cellId = edit['op'] === 'insert' ? edit['after'] : edit['cell'];
  const cell = typeof cellId === 'string' ? (workspace?.cell({ path, cellId }) ?? null) : null;
  const title = titleOf(edit, cell === null ? null : cell.index + 1, trans);
  return title === null ? null : (
    <>
      <p className="jp-ChatStream-toolHint">{title}</p>
      {cell === null || edit['op'] === 'insert' ? null : (
        <>
          <p className="jp-ChatStream-toolPart">
            {versionOf(cell.source) === edit['version']
              ? trans.__('The cell now')
              : trans.__(
                  'The cell now: it has changed since it was read, so nothing will be changed'
                )}
          </p>
          <TextBox text={revealed(cell.source)} />
        </>
      )}
    </>
  );
}

/** The words for an edit; `number` is the place of the cell that it names, from 1, if it is open here. */
function titleOf(
  { op, after }: Readonly<Record<string, unknown>>,
  number: number | null,
  trans: TranslationBundle
): string | null {
  switch (op) {
    case 'replace':
      return number === null ? trans.__('Replace a cell') : trans.__('Replace cell %1', number);
    case 'delete':
      return number === null ? trans.__('Delete a cell') : trans.__('Delete cell %1', number);
    case 'insert':
      if (after === null) {
        return trans.__('Insert a cell at the beginning');
      }
      return number === null
        ? trans.__('Insert a cell')
        : trans.__('Insert a cell after cell %1', number);
    default:
      return null;
  }
}
