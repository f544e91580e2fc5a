/** The parts of a message: text, reasoning, tool calls and results, attachments. */
import { type ReactElement, memo, useLayoutEffect, useRef, useState } from 'react';

import {
  type AttachmentPart,
  type InputRequestPart,
  type Part,
  type ToolCallPart,
  type ToolResultPart
} from '../protocol';
import { LongText } from './bubble';
import { useMarkdownServices, useTrans } from './hooks';
import { IncrementalMarkdown } from './markdown';
import { OWN_KEYS } from './keys';

/** A Markdown text that may still grow. With `isStreaming` it shows a cursor. */
export const Markdown = memo(function Markdown(props: {
  readonly text: string;
  readonly isEnded: boolean;
  readonly isStreaming?: boolean;
}): ReactElement {
  const host = useRef<HTMLDivElement>(null);
  const shown = useRef<{ markdown: IncrementalMarkdown; text: string } | null>(null);
  const services = useMarkdownServices();
  useLayoutEffect(() => {
    if (host.current === null) {
      return;
    }
    if (shown.current !== null && !props.text.startsWith(shown.current.text)) {
      shown.current.markdown.dispose();
      shown.current = null;
    }
    const markdown = shown.current?.markdown ?? new IncrementalMarkdown(host.current, services);
    markdown.update(props.text, props.isEnded);
    shown.current = { markdown, text: props.text };
  }, [props.text, props.isEnded, services]);
  useLayoutEffect(
    () => () => {
      shown.current?.markdown.dispose();
      shown.current = null;
    },
    []
  );
  const mode = props.isStreaming === true ? ' jp-mod-streaming' : '';
  const look = `jp-ChatStream-markdown jp-RenderedHTMLCommon${mode}`;
  return <div ref={host} className={look} dir="auto" />;
});

export interface PartProps {
  readonly part: Exclude<Part, InputRequestPart>;
  /** Whether the part is complete. */
  readonly isEnded: boolean;
  readonly isStreaming: boolean;
}

/** Draw one part; nothing for a kind that this page does not know. `question.tsx` draws questions. */
export const PartView = memo(function PartView(props: PartProps): ReactElement | null {
  const { part, isEnded, isStreaming } = props;
  switch (part.kind) {
    case 'text':
      return <Markdown text={part.text} isEnded={isEnded} isStreaming={isStreaming} />;
    case 'reasoning':
      return <Reasoning text={part.text} isEnded={isEnded} />;
    case 'tool_call':
      return <ToolCall part={part} isEnded={isEnded} />;
    case 'tool_result':
      return <ToolResult part={part} />;
    case 'attachment':
      return <Attachment part={part} />;
    default:
      return null;
  }
});

/** A line that opens. Its content is drawn only while it is open. */
function Folded(props: {
  readonly kind: string;
  readonly summary: ReactElement | string;
  readonly children: () => ReactElement;
}): ReactElement {
  const [isOpen, setOpen] = useState(false);
  return (
    <details
      className={`jp-ChatStream-folded jp-mod-${props.kind}`}
      data-testid={props.kind}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary {...OWN_KEYS}>{props.summary}</summary>
      {isOpen ? <div className="jp-ChatStream-foldedBody">{props.children()}</div> : null}
    </details>
  );
}

function Reasoning(props: { readonly text: string; readonly isEnded: boolean }): ReactElement {
  const trans = useTrans();
  const summary = props.isEnded ? trans.__('Reasoning') : trans.__('Reasoning…');
  return (
    <Folded kind="reasoning" summary={summary}>
      {() => <Markdown text={props.text} isEnded={props.isEnded} />}
    </Folded>
  );
}

function ToolCall(props: { readonly part: ToolCallPart; readonly isEnded: boolean }): ReactElement {
  const { part, isEnded } = props;
  const isWhole = part.name !== undefined;
  const trans = useTrans();
  const inProgress = isEnded ? trans.__('a call that was cut off') : trans.__('preparing a call…');
  return (
    <Folded
      kind="tool-call"
      summary={
        <>
          <span className="jp-ChatStream-tag">{trans.__('tool')}</span>
          {isWhole ? <code>{part.name}</code> : inProgress}
        </>
      }
    >
      {() => <Plain text={isWhole ? pretty(part.input) : (part.text ?? '')} />}
    </Folded>
  );
}

function ToolResult({ part }: { readonly part: ToolResultPart }): ReactElement {
  const trans = useTrans();
  return (
    <Folded
      kind="tool-result"
      summary={
        <>
          <span className={`jp-ChatStream-tag${part.success ? '' : ' jp-mod-failed'}`}>
            {part.success ? trans.__('result') : trans.__('failed')}
          </span>
          <code>{part.name}</code>
        </>
      }
    >
      {() => <Plain text={pretty(part.output)} />}
    </Folded>
  );
}

function Attachment({ part }: { readonly part: AttachmentPart }): ReactElement {
  const trans = useTrans();
  return (
    <Folded
      kind="attachment"
      summary={
        <>
          <span className="jp-ChatStream-tag">{trans.__('context')}</span>
          <code>{part.name}</code>
        </>
      }
    >
      {() => <Plain text={part.text} />}
    </Folded>
  );
}

function Plain({ text }: { readonly text: string }): ReactElement {
  return (
    <pre className="jp-ChatStream-plain" {...OWN_KEYS}>
      <LongText text={text} />
    </pre>
  );
}

/** A value of a tool or of a person's answer, as text. */
export function pretty(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? '');
}
