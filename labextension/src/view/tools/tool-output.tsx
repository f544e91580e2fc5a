/** The output and the result of a tool call. */
import { type ReactElement, useLayoutEffect, useRef } from 'react';

import { outputText } from '../../text/texts';
import { plainText } from '../../workspace/outputs';
import { OWN_KEYS } from '../controls/keys';
import { useTrans } from '../hooks';
import { LongText } from '../messages/bubble';
import { pretty } from './pretty';
import { TextBox } from './tool-input';

/** Of a growing output, only this many last characters are drawn, so that each update costs the same. */
const MOST_LIVE_CHARS = 16_000;
/** If the reader has scrolled this near to the end, in px, the box follows the output. */
const NEAR_END_PX = 12;

/** The output of a call so far. The box scrolls to the end, unless the reader has scrolled back. */
export function LiveOutput(props: {
  readonly text: string;
  readonly isGrowing: boolean;
}): ReactElement {
  const trans = useTrans();
  const box = useRef<HTMLPreElement>(null);
  const follows = useRef(true);
  const { text, isGrowing } = props;
  const from = isGrowing ? tailFrom(text) : 0;
  useLayoutEffect(() => {
    const node = box.current;
    if (node !== null && isGrowing && follows.current) {
      node.scrollTop = node.scrollHeight;
    }
  }, [text, isGrowing]);
  return (
    <>
      {from === 0 ? null : (
        <p className="jp-ChatStream-toolNote">
          {trans.__('The beginning is shown when the call has ended.')}
        </p>
      )}
      <pre
        {...OWN_KEYS}
        ref={box}
        className="jp-ChatStream-toolText jp-mod-output"
        data-testid="tool-progress"
        dir="auto"
        role="group"
        aria-label={outputText(trans)}
        tabIndex={0}
        onScroll={({ currentTarget: node }) => {
          follows.current = node.scrollHeight - node.scrollTop - node.clientHeight < NEAR_END_PX;
        }}
      >
        {isGrowing ? plainText(text.slice(from)) : <LongText text={plainText(text)} />}
      </pre>
    </>
  );
}

/** Where the last lines of a long text begin. */
function tailFrom(text: string): number {
  if (text.length <= MOST_LIVE_CHARS) {
    return 0;
  }
  const from = text.length - MOST_LIVE_CHARS;
  const line = text.indexOf('\n', from);
  return line < 0 ? from : line + 1;
}

/** The result of a call: a text unchanged, any other value as formatted JSON. */
export function ToolOutput({ output }: { readonly output: unknown }): ReactElement {
  const trans = useTrans();
  const text = typeof output === 'string' ? plainText(output) : pretty(output);
  return text === '' || output === null ? (
    <p className="jp-ChatStream-toolNote">{trans.__('Without output')}</p>
  ) : (
    <TextBox text={text} />
  );
}
