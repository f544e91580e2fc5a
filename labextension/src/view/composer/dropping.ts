/**
 * Files that are dropped on a chat or pasted into it: from the desktop, and from JupyterLab's file
 * browser, whose drags are events of Lumino with the paths of the files.
 */
import { type ClipboardEvent, type RefObject, useEffect, useRef, useState } from 'react';

import { type NamedBlob } from '../../composer/uploads';
import { type ThreadClient } from '../../thread/model';

/** The data of a drag in JupyterLab's file browser: paths for the contents API. */
const PATHS = 'application/x-jupyter-icontents';

/** A drag of Lumino, as far as this module reads it. */
interface LuminoDrag extends Event {
  readonly mimeData: { readonly getData: (type: string) => unknown };
  readonly proposedAction: string;
  dropAction: string;
}

/** Attach what is dropped on the node that gets `ref`. `isOver` tells that a drag is above it. */
export function useDropTarget<T extends HTMLElement>(
  client: ThreadClient,
  isEnabled: boolean
): { readonly ref: RefObject<T>; readonly isOver: boolean } {
  const ref = useRef<T>(null);
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const node = ref.current;
    if (node === null || !isEnabled) {
      return undefined;
    }
    const ends = [listenToFiles(node, client, setOver), listenToPaths(node, client, setOver)];
    return () => {
      ends.forEach(end => end());
      setOver(false);
    };
  }, [client, isEnabled]);
  return { ref, isOver };
}

type Listeners = Readonly<Record<string, (event: Event) => void>>;

function listen(node: HTMLElement, listeners: Listeners): () => void {
  const entries = Object.entries(listeners);
  entries.forEach(([type, listener]) => node.addEventListener(type, listener));
  return () => entries.forEach(([type, listener]) => node.removeEventListener(type, listener));
}

/** Whether a drag leaves the node, and does not only pass from one of its children to another. */
function leaves(node: HTMLElement, event: Event): boolean {
  const { relatedTarget } = event as DragEvent;
  return !(relatedTarget instanceof Node && node.contains(relatedTarget));
}

function listenToFiles(
  node: HTMLElement,
  client: ThreadClient,
  setOver: (isOver: boolean) => void
): () => void {
  /** The data of a drag that brings files; a dragged text is left to the field. */
  const filesOf = (event: Event): DataTransfer | null => {
    const { dataTransfer } = event as DragEvent;
    return dataTransfer?.types.includes('Files') === true ? dataTransfer : null;
  };
  const onOver = (event: Event): void => {
    const data = filesOf(event);
    if (data !== null) {
      event.preventDefault();
      event.stopPropagation();
      data.dropEffect = 'copy';
      setOver(true);
    }
  };
  return listen(node, {
    dragenter: onOver,
    dragover: onOver,
    dragleave: event => leaves(node, event) && setOver(false),
    drop: event => {
      const data = filesOf(event);
      if (data !== null) {
        event.preventDefault(); // or the browser would leave this page for the file
        event.stopPropagation();
        setOver(false);
        client.attach(namedBlobs(data.files));
      }
    }
  });
}

function listenToPaths(
  node: HTMLElement,
  client: ThreadClient,
  setOver: (isOver: boolean) => void
): () => void {
  const pathsOf = (event: Event): readonly string[] => {
    const paths = (event as LuminoDrag).mimeData.getData(PATHS);
    return Array.isArray(paths) ? paths.filter(path => typeof path === 'string') : [];
  };
  const onOver = (event: Event): void => {
    if (pathsOf(event).length > 0) {
      const drag = event as LuminoDrag;
      event.preventDefault();
      event.stopPropagation();
      drag.dropAction = drag.proposedAction;
      setOver(true);
    }
  };
  return listen(node, {
    'lm-dragenter': onOver,
    'lm-dragover': onOver,
    'lm-dragleave': event => leaves(node, event) && setOver(false),
    'lm-drop': event => {
      const paths = pathsOf(event);
      if (paths.length > 0) {
        const drag = event as LuminoDrag;
        event.preventDefault();
        event.stopPropagation();
        // The file browser takes 'none' for a drag that was given up; no action moves the file.
        drag.dropAction = drag.proposedAction;
        setOver(false);
        client.attachPaths(paths);
      }
    }
  });
}

/** Attach pasted files. A text that was copied with its picture (from a table) is pasted as text. */
export function attachPasted(event: ClipboardEvent, client: ThreadClient): void {
  const { files, types } = event.clipboardData;
  const isRichText =
    types.includes('text/plain') && (types.includes('text/html') || types.includes('text/rtf'));
  if (files.length > 0 && !isRichText) {
    event.preventDefault();
    client.attach(namedBlobs(files));
  }
}

export function namedBlobs(files: Iterable<File> | ArrayLike<File>): readonly NamedBlob[] {
  return Array.from(files, file => ({ name: file.name, blob: file }));
}
