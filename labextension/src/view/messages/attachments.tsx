/**
 * The attachments of a person's message, and the files of a tool's result: images as thumbnails,
 * tables with their summary, other files as chips.
 *
 * The bytes come through the authenticated connection and are shown in an `img` only, and only the
 * types of `isImage`: nothing of a file can run. Its name is untrusted text. An image has the size of
 * its box before it is loaded, so that the text around it does not move.
 */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type ReactElement, useState } from 'react';

import {
  fileName,
  isImage,
  isTable,
  kindText,
  nameEnds,
  shownName,
  sizeText
} from '../../composer/files';
import { ApiError } from '../../connection/api';
import { type StoredPart, type ToolUse, resultFiles } from '../../fold/tool-calls';
import { type AttachmentPart, type Message } from '../../protocol/records';
import { Button } from '../controls/button';
import { OWN_KEYS } from '../controls/keys';
import { Lightbox } from '../controls/lightbox';
import { useAttachmentFiles, useLanguage, useTrans } from '../hooks';
import { Folded, Plain } from './folded';
import { type ShownImage, useImage } from './images';

/** All attachments of a message; nothing if it has none. */
export function Attachments({ message }: { readonly message: Message }): ReactElement | null {
  const trans = useTrans();
  const parts = message.parts.filter(part => part.kind === 'attachment');
  return <AttachmentList parts={parts} label={trans.__('Attachments')} />;
}

/** The files of the results of tool calls; nothing if there are none. */
export function ResultFiles({ uses }: { readonly uses: readonly ToolUse[] }): ReactElement | null {
  const trans = useTrans();
  const label = trans.__('Files of the result');
  return <AttachmentList parts={uses.flatMap(resultFiles)} label={label} mode="jp-mod-results" />;
}

function AttachmentList(props: {
  readonly parts: readonly AttachmentPart[];
  readonly label: string;
  readonly mode?: string;
}): ReactElement | null {
  const { parts, label, mode = '' } = props;
  if (parts.length === 0) {
    return null;
  }
  return (
    <div className={`jp-ChatStream-attachments ${mode}`} role="list" aria-label={label}>
      {parts.map((part, index) => (
        <div
          key={index}
          className={`jp-ChatStream-attachment${isWide(part) ? ' jp-mod-wide' : ''}`}
          role="listitem"
        >
          <AttachmentView part={part} />
        </div>
      ))}
    </div>
  );
}

/** Whether an attachment takes the whole width: it has a text that can be unfolded. */
function isWide(part: AttachmentPart): boolean {
  return part.text !== '' && !(isStored(part) && isImage(part.type));
}

function isStored(part: AttachmentPart): part is StoredPart {
  return typeof part.attachment_id === 'string';
}

function AttachmentView({ part }: { readonly part: AttachmentPart }): ReactElement {
  if (!isStored(part)) {
    return <Context part={part} />;
  }
  if (isImage(part.type)) {
    return <Picture part={part} />;
  }
  return part.text === '' ? <FileChip part={part} /> : <Summarized part={part} />;
}

/** A text that was sent with the message; it has no bytes. */
function Context({ part }: { readonly part: AttachmentPart }): ReactElement {
  const trans = useTrans();
  return (
    <Folded
      kind="attachment"
      summary={
        <>
          <span className="jp-ChatStream-tag">{trans.__('context')}</span>
          <code>{shownName(part.name)}</code>
        </>
      }
    >
      {() => <Plain text={part.text} />}
    </Folded>
  );
}

/** A table, or another file that a model reads as a text: the text, and the exact data. */
function Summarized({ part }: { readonly part: StoredPart }): ReactElement {
  const trans = useTrans();
  return (
    <Folded
      kind="attachment"
      summary={
        <>
          <span className="jp-ChatStream-tag">{kindText(part.type, trans)}</span>
          <FileName name={part.name} />
        </>
      }
    >
      {() => (
        <>
          <Plain text={part.text} />
          <div className="jp-ChatStream-fileFoot">
            <Facts part={part} />
            <Download part={part} />
          </div>
        </>
      )}
    </Folded>
  );
}

/** A file that can only be downloaded. */
function FileChip({ part }: { readonly part: StoredPart }): ReactElement {
  const trans = useTrans();
  return (
    <div className="jp-ChatStream-file" data-testid="file">
      <span className="jp-ChatStream-tag">{kindText(part.type, trans)}</span>
      <span className="jp-ChatStream-fileText">
        <FileName name={part.name} />
        <Facts part={part} />
      </span>
      <Download part={part} />
    </div>
  );
}

function Picture({ part }: { readonly part: StoredPart }): ReactElement {
  const trans = useTrans();
  const [isOpen, setOpen] = useState(false);
  const { ref, image, retry, onBroken } = useImage<HTMLDivElement>(
    part.attachment_id,
    part.type ?? '',
    isOpen
  );
  const name = shownName(part.name);
  return (
    <figure className="jp-ChatStream-picture" data-testid="picture" data-state={image.state}>
      <div ref={ref} className="jp-ChatStream-pictureBox">
        {image.state === 'missing' ? (
          <span className="jp-ChatStream-pictureNote">{missingText(trans)}</span>
        ) : image.state === 'failed' ? (
          <Button testid="load-again" onClick={retry}>
            {trans.__('Load again')}
          </Button>
        ) : (
          <button
            {...OWN_KEYS}
            type="button"
            className="jp-ChatStream-thumbnail"
            data-testid="thumbnail"
            aria-label={trans.__('Show image: %1', name)}
            aria-haspopup="dialog"
            disabled={image.state !== 'ready'}
            onClick={() => setOpen(true)}
          >
            <Thumbnail image={image} onBroken={onBroken} />
          </button>
        )}
      </div>
      <figcaption title={name}>
        <FileName name={part.name} />
      </figcaption>
      {isOpen && image.state === 'ready' ? (
        <Lightbox
          url={image.url}
          name={name}
          facts={<Facts part={part} />}
          download={<Download part={part} />}
          onClose={() => setOpen(false)}
        />
      ) : null}
    </figure>
  );
}

/** An image in its box; empty until it is loaded. The caption beside it tells its name. */
function Thumbnail(props: {
  readonly image: ShownImage;
  readonly onBroken: () => void;
}): ReactElement | null {
  const { image, onBroken } = props;
  return image.state === 'ready' ? (
    <img src={image.url} alt="" decoding="async" draggable={false} onError={onBroken} />
  ) : null;
}

/** A file's name in one line; a narrow place cuts its middle. */
export function FileName({ name }: { readonly name: string }): ReactElement {
  const label = shownName(name);
  const { start, end } = nameEnds(label);
  return (
    <bdi className="jp-ChatStream-fileName" title={label}>
      <span>{start}</span>
      <span>{end}</span>
    </bdi>
  );
}

function Facts({ part }: { readonly part: StoredPart }): ReactElement {
  const { locale } = useLanguage();
  const facts = [part.type ?? '', part.size === undefined ? '' : sizeText(part.size, locale)];
  return <span className="jp-mod-muted">{facts.filter(fact => fact !== '').join(' · ')}</span>;
}

/** A button that saves the bytes under the attachment's name; where it fails, the reason. */
function Download({ part }: { readonly part: StoredPart }): ReactElement {
  const trans = useTrans();
  const label = isTable(part.type) ? trans.__('Download data') : trans.__('Download');
  const files = useAttachmentFiles();
  const [state, setState] = useState<'idle' | 'loading' | 'missing'>('idle');
  const [error, setError] = useState('');
  const download = async (): Promise<void> => {
    setState('loading');
    setError('');
    try {
      save(await files.load(part.attachment_id), fileName(part.name));
      setState('idle');
    } catch (reason) {
      const isMissing = reason instanceof ApiError && reason.status === 404;
      setState(isMissing ? 'missing' : 'idle');
      setError(reason instanceof ApiError ? reason.message : String(reason));
    }
  };
  if (state === 'missing') {
    return (
      <span className="jp-mod-muted" data-testid="file-missing" role="status">
        {missingText(trans)}
      </span>
    );
  }
  return (
    <>
      <Button
        testid="download"
        label={trans.__('%1: %2', label, shownName(part.name))}
        isDisabled={state === 'loading'}
        onClick={() => void download()}
      >
        {state === 'loading' ? trans.__('Downloading…') : label}
      </Button>
      {error === '' ? null : <span role="alert">{error}</span>}
    </>
  );
}

function missingText(trans: TranslationBundle): string {
  return trans.__('No longer on this server');
}

/** Save bytes as a file. The type keeps a browser from ever opening them as a page. */
function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob.slice(0, blob.size, 'application/octet-stream'));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has begun to read the bytes; some do so a little later.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
