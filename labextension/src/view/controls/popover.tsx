/**
 * A box over the page, beside the button that opens it.
 *
 * It is in the browser's top layer where there is one, so that no cell output cuts it. It follows
 * its button while the page scrolls, and closes when the button leaves the window, when somebody
 * clicks elsewhere, or when the focus leaves the box and its button.
 */
import {
  type KeyboardEvent,
  type ReactElement,
  type ReactNode,
  type RefObject,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef
} from 'react';

interface PopoverProps {
  readonly testid: string;
  readonly label: string;
  readonly anchor: RefObject<HTMLElement>;
  readonly children: ReactNode;
  readonly onClose: () => void;
}

/** Free space in px between the box and the window's edges, and between the box and its button. */
const EDGE = 8;
const GAP = 4;
const WIDTH = 340;
const MAX_HEIGHT = 440;
/** With less room than this above the button, the box opens on the side with more. */
const ENOUGH = 260;

export function Popover(props: PopoverProps): ReactElement {
  const { anchor } = props;
  const box = useRef<HTMLDivElement>(null);
  const onClose = useClosing(box, props.onClose);
  usePlace(box, anchor, onClose);
  useLeaving(box, anchor, onClose);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      onClose();
      anchor.current?.focus({ preventScroll: true });
    }
  };
  return (
    <div
      ref={box}
      className="jp-ChatStream-popover"
      data-testid={props.testid}
      role="dialog"
      aria-label={props.label}
      onKeyDown={onKeyDown}
    >
      {props.children}
    </div>
  );
}

/** Close the box, after its field with the focus was told that it is left. */
function useClosing(box: RefObject<HTMLElement>, onClose: () => void): () => void {
  return useCallback(() => {
    const field = document.activeElement;
    // A field that is only removed hears nothing, and what was typed would be lost.
    if (field instanceof HTMLElement && box.current?.contains(field) === true) {
      field.blur();
    }
    onClose();
  }, [box, onClose]);
}

/** Show the box, and keep it beside its anchor. */
export function usePlace(
  box: RefObject<HTMLElement>,
  anchor: RefObject<HTMLElement>,
  onClose: () => void
): void {
  useLayoutEffect(() => {
    const node = box.current;
    if (node === null) {
      return undefined;
    }
    node.setAttribute('popover', 'manual');
    node.showPopover?.(); // without a top layer, the box is only `position: fixed`
    // A streaming answer moves the button, and no event tells of it.
    let lastLayout = '';
    let frame = 0;
    const follow = (): void => {
      const anchorBox = anchor.current?.getBoundingClientRect();
      const layout = `${JSON.stringify(anchorBox)} ${window.innerWidth} ${window.innerHeight}`;
      if (anchorBox !== undefined && layout !== lastLayout) {
        lastLayout = layout;
        if (!place(node, anchorBox, getComputedStyle(node).direction === 'rtl')) {
          onClose();
        }
      }
      frame = requestAnimationFrame(follow);
    };
    follow();
    return () => cancelAnimationFrame(frame);
  }, [box, anchor, onClose]);
}

/** Close the box when somebody clicks elsewhere or the focus goes elsewhere. */
function useLeaving(
  box: RefObject<HTMLElement>,
  anchor: RefObject<HTMLElement>,
  onClose: () => void
): void {
  useEffect(() => {
    const isOurs = (target: EventTarget | null): boolean =>
      target instanceof Node &&
      (box.current?.contains(target) === true || anchor.current?.contains(target) === true);
    const leave = (event: Event): void => {
      if (!isOurs(event.target)) {
        onClose();
      }
    };
    document.addEventListener('pointerdown', leave, true);
    document.addEventListener('focusin', leave, true);
    return () => {
      document.removeEventListener('pointerdown', leave, true);
      document.removeEventListener('focusin', leave, true);
    };
  }, [box, anchor, onClose]);
}

/** Put the box beside its button. Returns whether the button is in the window. */
function place(box: HTMLElement, anchorBox: DOMRect, isRtl: boolean): boolean {
  const { innerWidth, innerHeight } = window;
  const width = Math.min(WIDTH, innerWidth - 2 * EDGE);
  const above = anchorBox.top - GAP - EDGE;
  const below = innerHeight - anchorBox.bottom - GAP - EDGE;
  const isAbove = above >= ENOUGH || above >= below;
  const idealLeft = isRtl ? anchorBox.right - width : anchorBox.left;
  const leftPx = Math.max(EDGE, Math.min(idealLeft, innerWidth - width - EDGE));
  const { style } = box;
  style.width = `${width}px`;
  style.maxHeight = `${Math.max(0, Math.min(MAX_HEIGHT, isAbove ? above : below))}px`;
  style.left = `${leftPx}px`;
  style.top = isAbove ? 'auto' : `${anchorBox.bottom + GAP}px`;
  style.bottom = isAbove ? `${innerHeight - anchorBox.top + GAP}px` : 'auto';
  return anchorBox.bottom >= 0 && anchorBox.top <= innerHeight;
}
