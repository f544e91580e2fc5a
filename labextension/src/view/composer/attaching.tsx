/** The attachments of the message that is being written: chips above the field, and the button. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ChangeEvent, type ReactElement, useEffect, useRef } from 'react';

import { isImage, kindText, sizeText, unreadText } from '../../composer/files';
import { type DraftFile, isUnfinished } from '../../composer/uploads';
import { type Model, type ModelList } from '../../protocol/records';
import { attachFilesText, removeText, tryAgainText } from '../../text/texts';
import { type ThreadClient, type ThreadState } from '../../thread/model';
import { Button, CrossButton } from '../controls/button';
import { ClipIcon } from '../controls/icons';
import { OWN_KEYS } from '../controls/keys';
import { useLanguage, useModels, useTrans } from '../hooks';
import { FileName } from '../messages/attachments';
import { imageUrl, useImage } from '../messages/images';
import { type ThreadProps } from '../thread-props';
import { namedBlobs } from './dropping';

/** The chips of the draft's attachments; nothing if there are none. */
export function Chips({ client, state }: ThreadProps): ReactElement {
  const trans = useTrans();
  const { attachments } = state;
  const model = nextModel(state, useModels(client).list);
  return (
    <>
      {attachments.length === 0 ? null : (
        <ul className="jp-ChatStream-chips" aria-label={trans.__('Attached files')}>
          {attachments.map(file => (
            <Chip key={file.key} file={file} client={client} model={model} />
          ))}
        </ul>
      )}
      <span className="jp-ChatStream-unseen" role="status" data-testid="attach-status">
        {[statusText(attachments, trans), ...unreadTexts(attachments, model, trans)].join(' ')}
      </span>
    </>
  );
}

/** The model that will read the next message; undefined if the page does not know it. */
function nextModel({ transcript }: ThreadState, models: ModelList | null): Model | undefined {
  const id = transcript.thread?.model ?? models?.default;
  return models?.models.find(model => model.id === id);
}

/** What screen readers are told: only that uploads begin and end, not their progress. */
function statusText(files: readonly DraftFile[], trans: TranslationBundle): string {
  const unfinishedCount = files.filter(isUnfinished).length;
  if (unfinishedCount > 0) {
    return trans._n('Uploading %1 file.', 'Uploading %1 files.', unfinishedCount);
  }
  const attachedCount = files.filter(file => file.state === 'attached').length;
  return attachedCount === 0
    ? ''
    : trans._n('%1 file attached.', '%1 files attached.', attachedCount);
}

/** Each reason once why the model will not read some of the files. */
function unreadTexts(
  files: readonly DraftFile[],
  model: Model | undefined,
  trans: TranslationBundle
): readonly string[] {
  const read = files.filter(file => file.state !== 'failed');
  return [...new Set(read.flatMap(file => unreadText(file.type, model, trans) ?? []))];
}

interface ChipProps {
  readonly file: DraftFile;
  readonly client: ThreadClient;
  readonly model: Model | undefined;
}

function Chip({ file, client, model }: ChipProps): ReactElement {
  const trans = useTrans();
  const isFailed = file.state === 'failed';
  return (
    <li
      className={`jp-ChatStream-chip${isFailed ? ' jp-mod-failed' : ''}`}
      data-testid="chip"
      data-state={file.state}
    >
      {isImage(file.type) ? (
        <ChipImage file={file} client={client} />
      ) : (
        <span className="jp-ChatStream-tag">{kindText(file.type, trans)}</span>
      )}
      <ChipText file={file} model={model} />
      {file.mayRetry ? (
        <Button
          testid="chip-retry"
          label={trans.__('Upload again: %1', file.name)}
          then="field"
          onClick={() => client.uploads.retry(file.key)}
        >
          {tryAgainText(trans)}
        </Button>
      ) : null}
      <CrossButton
        testid="chip-remove"
        className="jp-ChatStream-chipRemove"
        label={removeText(file.name, trans)}
        then="field"
        onClick={() => client.uploads.remove(file.key)}
      />
    </li>
  );
}

/** A file's name, then its progress, its size, or why it is not attached. */
function ChipText({ file, model }: Omit<ChipProps, 'client'>): ReactElement {
  const trans = useTrans();
  const { locale } = useLanguage();
  const unread = file.state === 'failed' ? null : unreadText(file.type, model, trans);
  return (
    <span className="jp-ChatStream-chipText">
      <FileName name={file.name} />
      {isUnfinished(file) ? (
        <progress
          className="jp-ChatStream-chipProgress"
          aria-label={trans.__('Upload of %1', file.name)}
          value={file.progress}
          max={1}
        />
      ) : (
        <span className="jp-mod-muted">{sizeText(file.size, locale)}</span>
      )}
      {file.error === null ? null : (
        <span className="jp-ChatStream-chipError" role="alert">
          {file.error}
        </span>
      )}
      {unread === null ? null : (
        <span className="jp-ChatStream-chipNote" data-testid="chip-note">
          {unread}
        </span>
      )}
    </span>
  );
}

/** The image of a chip: from the bytes that this page has read, or from the server after a reload. */
function ChipImage({ file, client }: Omit<ChipProps, 'model'>): ReactElement {
  const blob = client.uploads.blob(file.key);
  return (
    <span className="jp-ChatStream-chipImage">
      {blob !== null ? (
        <LocalImage blob={blob} type={file.type} />
      ) : file.id !== null ? (
        <StoredImage id={file.id} type={file.type} />
      ) : null}
    </span>
  );
}

function LocalImage({ blob, type }: { readonly blob: Blob; readonly type: string }): ReactElement {
  const node = useRef<HTMLImageElement>(null);
  useEffect(() => {
    const url = imageUrl(blob, type);
    node.current?.setAttribute('src', url);
    return () => URL.revokeObjectURL(url);
  }, [blob, type]);
  return <img ref={node} alt="" decoding="async" draggable={false} />;
}

function StoredImage({ id, type }: { readonly id: string; readonly type: string }): ReactElement {
  const { ref, image } = useImage<HTMLSpanElement>(id, type, true);
  return (
    <span ref={ref}>
      {image.state === 'ready' ? (
        <img src={image.url} alt="" decoding="async" draggable={false} />
      ) : null}
    </span>
  );
}

/** The button that opens the file dialog. */
export function AttachButton(props: {
  readonly client: ThreadClient;
  readonly isDisabled: boolean;
}): ReactElement {
  const trans = useTrans();
  const input = useRef<HTMLInputElement>(null);
  const onChange = (event: ChangeEvent<HTMLInputElement>): void => {
    const { target } = event;
    props.client.attach(namedBlobs(target.files ?? []));
    target.value = ''; // so that the same file can be chosen again
  };
  return (
    <>
      <input
        {...OWN_KEYS}
        ref={input}
        type="file"
        multiple
        hidden
        data-testid="attach-input"
        aria-label={trans.__('Files to attach')}
        onChange={onChange}
      />
      <Button
        testid="attach"
        className="jp-mod-quiet jp-ChatStream-clock"
        label={attachFilesText(trans)}
        then="field"
        isDisabled={props.isDisabled}
        onClick={() => input.current?.click()}
      >
        <ClipIcon />
      </Button>
    </>
  );
}
