/**
 * Images of attachments: loaded when the reader comes near them, and let go when they are far away.
 *
 * The address of an image is an object URL of this page; it ends with the component that shows it.
 */
import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';

import { type AttachmentFiles } from '../../composer/attachment-files';
import { isImage } from '../../composer/files';
import { ApiError } from '../../connection/api';
import { useAttachmentFiles, useHasBeenSeen } from '../hooks';

export type ShownImage =
  | { readonly state: 'loading' | 'missing' | 'failed' }
  | { readonly state: 'ready'; readonly url: string };

/** How far outside of the seen part of the log images are loaded already. */
const MARGIN = '400px';
const LOADING: ShownImage = { state: 'loading' };

/** An attachment as an image in the node that gets `ref`; loaded while it is near, or held. */
export function useImage<T extends HTMLElement>(
  id: string,
  type: string,
  isHeld: boolean
): {
  readonly ref: RefObject<T>;
  readonly image: ShownImage;
  readonly retry: () => void;
  /** To call where the browser cannot draw the bytes. */
  readonly onBroken: () => void;
} {
  const files = useAttachmentFiles();
  const ref = useRef<T>(null);
  const isNear = useNear(ref);
  const [tries, setTries] = useState(0);
  const [image, setImage] = useState<ShownImage>(LOADING);
  const isWanted = isNear || isHeld;
  useEffect(() => {
    if (!isWanted) {
      return undefined;
    }
    const end = loadImage(files, id, type, setImage);
    return () => {
      end();
      setImage(LOADING);
    };
  }, [files, id, type, isWanted, tries]);
  const retry = useCallback(() => setTries(count => count + 1), []);
  const onBroken = useCallback(() => {
    files.forget(id);
    setImage({ state: 'failed' });
  }, [files, id]);
  return { ref, image, retry, onBroken };
}

/** Load an image and tell what became of it, until the returned function is called. */
function loadImage(
  files: AttachmentFiles,
  id: string,
  type: string,
  tell: (image: ShownImage) => void
): () => void {
  let isOver = false;
  let url: string | null = null;
  files.load(id).then(
    blob => {
      if (!isOver) {
        url = imageUrl(blob, type);
        tell({ state: 'ready', url });
      }
    },
    (reason: unknown) => {
      if (!isOver) {
        const isMissing = reason instanceof ApiError && reason.status === 404;
        tell({ state: isMissing ? 'missing' : 'failed' });
      }
    }
  );
  return () => {
    isOver = true;
    if (url !== null) {
      URL.revokeObjectURL(url);
    }
  };
}

/** The object URL of bytes as an image; the caller revokes it. Other types are no images here. */
export function imageUrl(blob: Blob, type: string): string {
  return URL.createObjectURL(blob.slice(0, blob.size, isImage(type) ? type : 'text/plain'));
}

/** Whether a node is in the part of the log that is seen, or near it. */
function useNear(ref: RefObject<HTMLElement>): boolean {
  const hasBeenSeen = useHasBeenSeen();
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    const node = ref.current;
    if (node === null) {
      return undefined;
    }
    // The margin is one of the root: that of the screen would be cut off by the log.
    const observer = new IntersectionObserver(
      entries => setNear(entries.at(-1)?.isIntersecting === true),
      { root: node.closest('[data-testid=log]'), rootMargin: MARGIN }
    );
    observer.observe(node);
    return () => observer.disconnect();
  }, [ref]);
  return isNear && hasBeenSeen;
}
