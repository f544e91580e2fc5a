/** Below a tool call: the progress of the build that the call has begun, and the finished component. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useState } from 'react';

import { ApiError } from '../../connection/api';
import { type BuildView, type Product, buildView, jobOf, productOf } from '../../fold/builds';
import { type ToolUse } from '../../fold/tool-calls';
import { cancelText, closeText } from '../../text/texts';
import { type ThreadClient } from '../../thread/model';
import { type Workspace } from '../../workspace/values';
import { Button } from '../controls/button';
import { useAttachmentFiles, useThread, useTrans, useWorkspace } from '../hooks';
import { Markdown } from '../messages/parts';

/** The builds and components of some calls; draws nothing if the calls have none. */
export function BuildsOf(props: {
  readonly uses: readonly ToolUse[];
  readonly client: ThreadClient;
  readonly isDisabled: boolean;
}): ReactElement {
  const { uses, client, isDisabled } = props;
  return (
    <>
      {uses.map(use => {
        const jobId = jobOf(use);
        const product = productOf(use);
        return product !== null ? (
          <ProductRow key={use.index} product={product} />
        ) : jobId !== null ? (
          <BuildRow key={use.index} jobId={jobId} client={client} isDisabled={isDisabled} />
        ) : null;
      })}
    </>
  );
}

function BuildRow(props: {
  readonly jobId: string;
  readonly client: ThreadClient;
  readonly isDisabled: boolean;
}): ReactElement | null {
  const { jobId, client, isDisabled } = props;
  const trans = useTrans();
  const state = useThread(client);
  const view = buildView(state.transcript, jobId);
  if (view === null) {
    return null;
  }
  const isOpen = !['built', 'stopped', 'failed'].includes(view.step);
  return (
    <div className="jp-ChatStream-build" data-testid="build" data-step={view.step}>
      {isOpen ? (
        <span className="jp-ChatStream-dots" aria-hidden="true">
          <i />
          <i />
          <i />
        </span>
      ) : null}
      <span className="jp-ChatStream-buildText">{stepText(view, trans)}</span>
      {isOpen && !isDisabled ? (
        <Button
          testid="cancel-build"
          label={trans.__('Cancel the build')}
          isDisabled={state.acting.has(jobId)}
          onClick={() => void client.command(jobId, 'cancel')}
          then="log"
        >
          {cancelText(trans)}
        </Button>
      ) : null}
    </div>
  );
}

function stepText({ step, version }: BuildView, trans: TranslationBundle): string {
  switch (step) {
    case 'queued':
      return trans.__('Building: waiting to begin');
    case 'writing':
      return trans.__('Building: writing version %1', version);
    case 'asks':
      return trans.__('Building: version %1 is written and waits for your consent, below', version);
    case 'trying':
      return trans.__('Building: trying version %1', version);
    case 'built':
      return trans.__('The component is built, below.');
    case 'stopped':
      return trans.__('The build was stopped.');
    case 'failed':
      return trans.__('Nothing was built.');
  }
}

/** A component's actions, its code once the page has read it, and a sentence about the last action. */
interface ProductState {
  readonly code: string | null;
  readonly isOpen: boolean;
  readonly notice: string;
  readonly toggle: () => Promise<void>;
  /** Insert the code below the cell of the chat that contains `node`. */
  readonly insert: (node: HTMLElement) => Promise<void>;
}

function useProduct({ file, code: initialCode }: Product): ProductState {
  const trans = useTrans();
  const workspace = useWorkspace();
  const files = useAttachmentFiles();
  const [code, setCode] = useState(initialCode);
  const [isOpen, setOpen] = useState(false);
  const [notice, setNotice] = useState('');
  const read = async (): Promise<string | null> => {
    setNotice('');
    try {
      const text = code ?? (await (await files.load(file.id)).text());
      setCode(text);
      return text;
    } catch (reason) {
      setNotice(reason instanceof ApiError ? reason.message : String(reason));
      return null;
    }
  };
  const toggle = async (): Promise<void> => {
    setOpen((await read()) !== null && !isOpen);
  };
  const insert = async (node: HTMLElement): Promise<void> => {
    const text = await read();
    if (text !== null && workspace !== null) {
      setNotice(insertedText(workspace, node, text, trans));
    }
  };
  return { code, isOpen, notice, toggle, insert };
}

/** A component with its buttons, and its code once a person has opened it. */
function ProductRow({ product }: { readonly product: Product }): ReactElement {
  const { code, isOpen, notice, toggle, insert } = useProduct(product);
  const trans = useTrans();
  const workspace = useWorkspace();
  const { name } = product.file;
  return (
    <div className="jp-ChatStream-product" data-testid="product">
      <div className="jp-ChatStream-build">
        <span className="jp-ChatStream-tag">{trans.__('component')}</span>
        <Button
          testid="open-product"
          then="stay"
          isOpen={isOpen}
          label={trans.__('Open: %1', name)}
          onClick={() => void toggle()}
        >
          {isOpen ? closeText(trans) : trans.__('Open')}
        </Button>
        {workspace === null ? null : (
          <Button
            testid="insert-product"
            className="jp-mod-accent"
            then="stay"
            label={trans.__('Insert below the cell: %1', name)}
            onClick={({ currentTarget }) => void insert(currentTarget)}
          >
            {trans.__('Insert')}
          </Button>
        )}
      </div>
      {notice === '' ? null : (
        <p className="jp-ChatStream-toolNote" data-testid="product-note" role="status" dir="auto">
          {notice}
        </p>
      )}
      {isOpen && code !== null ? <Markdown text={fencedBlock(code)} isEnded /> : null}
    </div>
  );
}

/** Insert code below the cell of a chat. Returns a sentence about the outcome. */
function insertedText(
  workspace: Workspace,
  node: HTMLElement,
  text: string,
  trans: TranslationBundle
): string {
  const place = workspace.placeOf(node, 'insert_below');
  const block = { language: 'python', text };
  const reason = workspace.obstacle('insert_below', place, block);
  if (reason !== null || place === null) {
    return reason ?? '';
  }
  const result = workspace.act('insert_below', place, block);
  return result.isDone
    ? trans.__('Inserted below the cell. One undo takes it back.')
    : result.reason;
}

/** Make a Markdown block of code. Its fence is longer than any fence in the code. */
function fencedBlock(code: string): string {
  const runs = code.match(/`+/g) ?? [];
  const fence = '`'.repeat(Math.max(3, ...runs.map(run => run.length + 1)));
  return `${fence}python\n${code.replace(/\n*$/, '')}\n${fence}\n`;
}
