/** The parts of a message: text, reasoning, notes. */
import { type ReactElement, memo, useLayoutEffect, useRef } from 'react';

import { type PartTimes, spanOf } from '../../fold/reply-times';
import { type Part } from '../../protocol/records';
import { InfoIcon } from '../controls/icons';
import { IncrementalMarkdown } from '../drawing/markdown';
import { useMarkdownServices, useTrans } from '../hooks';
import { spanText } from '../times';
import { Folded } from './folded';

/** A Markdown text that may still grow. With `isStreaming` it shows a cursor. */
export const Markdown = memo(function Markdown(props: {
  readonly text: string;
  readonly isEnded: boolean;
  readonly isStreaming?: boolean;
}): ReactElement {
  const host = useRef<HTMLDivElement>(null);
  const drawing = useRef<{ markdown: IncrementalMarkdown; text: string } | null>(null);
  const services = useMarkdownServices();
  useLayoutEffect(() => {
    if (host.current === null) {
      return;
    }
    if (drawing.current !== null && !props.text.startsWith(drawing.current.text)) {
      drawing.current.markdown.dispose();
      drawing.current = null;
    }
    const markdown = drawing.current?.markdown ?? new IncrementalMarkdown(host.current, services);
    markdown.update(props.text, props.isEnded);
    drawing.current = { markdown, text: props.text };
  }, [props.text, props.isEnded, services]);
  useLayoutEffect(
    () => () => {
      drawing.current?.markdown.dispose();
      drawing.current = null;
    },
    []
  );
  const mode = props.isStreaming === true ? ' jp-mod-streaming' : '';
  const look = `jp-ChatStream-markdown jp-RenderedHTMLCommon${mode}`;
  return <div ref={host} className={look} dir="auto" />;
});

interface PartProps {
  readonly part: Part;
  /** Whether the part is complete. */
  readonly isEnded: boolean;
  readonly isStreaming: boolean;
  /** When it was written, if this page has seen that. */
  readonly times: PartTimes | undefined;
}

/**
 * Draw one part; nothing for a kind that this page does not know. `question.tsx` draws questions,
 * `attachments.tsx` attachments, `tools/tools.tsx` tool calls.
 */
export const PartView = memo(function PartView(props: PartProps): ReactElement | null {
  const { part, isEnded, isStreaming } = props;
  switch (part.kind) {
    case 'text':
      return <Markdown text={part.text} isEnded={isEnded} isStreaming={isStreaming} />;
    case 'reasoning':
      return <Reasoning text={part.text} isEnded={isEnded} times={props.times} />;
    case 'note':
      return <Note text={part.text} />;
    default:
      return null;
  }
});

function Reasoning(props: {
  readonly text: string;
  readonly isEnded: boolean;
  readonly times: PartTimes | undefined;
}): ReactElement {
  const trans = useTrans();
  const span = spanText(spanOf(props.times) ?? 0, trans);
  const summary = !props.isEnded
    ? trans.__('Reasoning…')
    : span === ''
      ? trans.__('Reasoning')
      : trans.__('Thought for %1', span);
  return (
    <Folded kind="reasoning" summary={summary}>
      {() => <Markdown text={props.text} isEnded={props.isEnded} />}
    </Folded>
  );
}

/** A sentence of the chat itself. The server writes it, so it is not translated. */
function Note({ text }: { readonly text: string }): ReactElement {
  return (
    <p className="jp-ChatStream-remark" data-testid="note">
      <InfoIcon />
      <span>{text}</span>
    </p>
  );
}
