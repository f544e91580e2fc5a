/** A person's message, as it was typed. A long one is folded. */
import { type ReactElement, useLayoutEffect, useRef, useState } from 'react';

import { Button } from '../controls/button';
import { PlainText } from '../drawing/plain';
import { useMarkdownServices, useTrans } from '../hooks';

/** A message with more characters or lines is folded. */
const LONG_CHARS = 2_000;
const LONG_LINES = 24;

export function Bubble({ text }: { readonly text: string }): ReactElement {
  const trans = useTrans();
  const [isOpen, setOpen] = useState(false);
  const isLong = text.length > LONG_CHARS || text.split('\n', LONG_LINES + 1).length > LONG_LINES;
  const isFolded = isLong && !isOpen;
  return (
    <div className={`jp-ChatStream-bubble${isFolded ? ' jp-mod-folded' : ''}`} dir="auto">
      <LongText text={text} testid="content" />
      {isLong ? (
        <Button testid="unfold" isOpen={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? trans.__('Show less') : trans.__('Show all')}
        </Button>
      ) : null}
    </div>
  );
}

/** A plain text in chunks: the first at once, the others in later frames. */
export function LongText(props: { readonly text: string; readonly testid?: string }): ReactElement {
  const { text, testid } = props;
  const host = useRef<HTMLDivElement>(null);
  const { frames } = useMarkdownServices();
  useLayoutEffect(() => {
    const node = host.current;
    if (node === null) {
      return undefined;
    }
    node.replaceChildren();
    const work = new PlainText(node, '').show(text);
    if (work.next().done !== true) {
      void frames.run(work);
    }
    return () => void work.return();
  }, [text, frames]);
  return <div ref={host} className="jp-ChatStream-text" data-testid={testid} />;
}
