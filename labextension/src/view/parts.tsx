/** The parts of a message: text, reasoning, tool calls and results, notes. */
import { type ReactElement, memo, useLayoutEffect, useRef } from 'react';

import {
  type AttachmentPart,
  type InputRequestPart,
  type Part,
  type ToolCallPart,
  type ToolResultPart
} from '../protocol';
import { Folded, Plain } from './folded';
import { useMarkdownServices, useTrans } from './hooks';
import { InfoIcon } from './icons';
import { IncrementalMarkdown } from './markdown';

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
  readonly part: Exclude<Part, InputRequestPart | AttachmentPart>;
  /** Whether the part is complete. */
  readonly isEnded: boolean;
  readonly isStreaming: boolean;
}

/**
 * Draw one part; nothing for a kind that this page does not know. `question.tsx` draws questions,
 * `attachments.tsx` attachments.
 */
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
    case 'note':
      return <Note text={part.text} />;
    default:
      return null;
  }
});

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

/** A sentence of the chat itself. The server writes it, so it is not translated. */
function Note({ text }: { readonly text: string }): ReactElement {
  return (
    <p className="jp-ChatStream-remark" data-testid="note">
      <InfoIcon />
      <span>{text}</span>
    </p>
  );
}

/** A value of a tool or of a person's answer, as text. */
export function pretty(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, 2) ?? '');
}
