/** What an answer took, below it; and what a thread took, with how full its model's context is. */
import { type ReactElement, useEffect, useState } from 'react';

import { type Transcript } from '../../fold/transcript';
import { type ContextUse, type Message, type UsageSum, isEnd } from '../../protocol/records';
import { type AnswerUsage, tokensOf, usageOf } from '../../thread/usage';
import { OWN_KEYS } from '../controls/keys';
import { useLanguage, useStore } from '../hooks';
import { type ThreadProps } from '../thread-props';
import { costText, numberText, shareText, tokensText, unknownCostText } from './usage-text';

/** From this share of the context on, the reader is warned. */
const WARN_FROM = 0.8;

/** The line below a reply. It keeps its place from the start to a good end, so nothing jumps then. */
export function AnswerUsageLine(props: {
  readonly message: Message;
  /** Whether the model has a price; null if the page does not know. */
  readonly isPriced: boolean | null;
}): ReactElement | null {
  const { message, isPriced } = props;
  const language = useLanguage();
  const { trans } = language;
  const [isOpen, setOpen] = useState(false);
  const usage = usageOf(message);
  if (usage === null) {
    const mayCount = !isEnd(message.status) || message.status === 'completed';
    return mayCount ? <div className="jp-ChatStream-usage" aria-hidden /> : null;
  }
  const short = [tokensText(tokensOf(usage), language)];
  if (usage.cost_usd !== null) {
    short.push(costText(usage.cost_usd, language));
  } else if (isPriced === true) {
    short.push(unknownCostText(language));
  }
  return (
    <div className={`jp-ChatStream-usage${isOpen ? ' jp-mod-open' : ''}`} data-testid="usage">
      <button
        {...OWN_KEYS}
        type="button"
        className="jp-ChatStream-usageShort"
        aria-expanded={isOpen}
        aria-label={trans.__('Tokens and cost of this answer: %1', short.join(', '))}
        onClick={() => setOpen(!isOpen)}
      >
        {short.join(' · ')}
      </button>
      <Details usage={usage} model={message.model} />
    </div>
  );
}

/** The parts of an answer's usage: shown beside the line while it has the pointer or the focus. */
function Details(props: {
  readonly usage: AnswerUsage;
  readonly model: string | null;
}): ReactElement {
  const { usage, model } = props;
  const language = useLanguage();
  const { trans } = language;
  const cacheTokens = usage.cacheRead + usage.cacheWrite;
  const cost = usage.cost_usd === null ? trans.__('unknown') : costText(usage.cost_usd, language);
  const rows: readonly (readonly [string, string])[] = [
    [trans.__('input'), numberText(usage.input, language)],
    ...(cacheTokens === 0
      ? []
      : [
          [trans.__('from cache'), numberText(usage.cacheRead, language)] as const,
          [trans.__('into cache'), numberText(usage.cacheWrite, language)] as const
        ]),
    [trans.__('output'), numberText(usage.output, language)],
    [trans.__('cost'), cost],
    ...(model === null ? [] : [[trans.__('model'), model] as const])
  ];
  return (
    <span className="jp-ChatStream-usageDetails" data-testid="usage-details" aria-live="off">
      {rows.map(([name, value]) => (
        <span key={name}>
          <span>{name}</span> <b>{value}</b>
        </span>
      ))}
    </span>
  );
}

/** The line below the composer: the thread's sum, and the meter of its context. */
export function ThreadUsageLine({ client, state }: ThreadProps): ReactElement {
  const { usage: list } = client;
  const usage = useStore(list);
  const key = endsOf(state.transcript);
  useEffect(() => {
    if (key !== null) {
      void list.load();
    }
  }, [list, key]);
  return (
    <div className="jp-ChatStream-threadUsage" data-testid="thread-usage">
      {usage === null || usage.total.answers === 0 ? null : (
        <>
          {usage.context === null ? null : <Context context={usage.context} />}
          <Sum sum={usage.total} />
        </>
      )}
    </div>
  );
}

/** A text that changes when the sums do: with an ended answer, the head and the model. */
function endsOf({ messages, thread }: Transcript): string | null {
  const replies = [...messages.values()].filter(message => usageOf(message) !== null);
  return replies.length === 0
    ? null
    : [replies.length, thread?.head ?? '', thread?.model ?? ''].join(' ');
}

function Sum({ sum }: { readonly sum: UsageSum }): ReactElement {
  const language = useLanguage();
  const { trans } = language;
  const tokens =
    sum.input_tokens + sum.output_tokens + sum.cache_read_tokens + sum.cache_write_tokens;
  const texts = [tokensText(tokens, language)];
  if (sum.cost_usd !== null) {
    texts.push(costText(sum.cost_usd, language));
  }
  if (sum.unknown_cost === sum.answers) {
    texts.push(unknownCostText(language));
  } else if (sum.unknown_cost > 0) {
    texts.push(
      trans._n(
        'cost of %2 answer unknown',
        'cost of %2 answers unknown',
        sum.unknown_cost,
        numberText(sum.unknown_cost, language)
      )
    );
  }
  return (
    <span
      className="jp-ChatStream-sum"
      data-testid="thread-sum"
      title={trans.__('All answers in this chat')}
    >
      {texts.join(' · ')}
    </span>
  );
}

/** The meter, and the warning before the oldest messages are left out. */
function Context({ context }: { readonly context: ContextUse }): ReactElement | null {
  const language = useLanguage();
  const { trans } = language;
  const size = context.prompt_tokens ?? context.context_tokens;
  if (size === null) {
    return null;
  }
  const share = context.used_tokens / size;
  const percent = shareText(share, language);
  const title = trans.__(
    '%1 of %2 tokens that %3 reads at once',
    numberText(context.used_tokens, language),
    numberText(size, language),
    context.model
  );
  const isNear = share >= WARN_FROM;
  return (
    <span className={`jp-ChatStream-context${isNear ? ' jp-mod-near' : ''}`} title={title}>
      <span
        className="jp-ChatStream-meter"
        data-testid="context"
        role="meter"
        aria-label={trans.__('Context used')}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.min(100, Math.round(share * 100))}
        aria-valuetext={percent}
      >
        <i style={{ width: `${Math.min(100, share * 100)}%` }} />
      </span>
      <span data-testid="context-warning">
        {share > 1
          ? trans.__(
              'This chat is longer than what the model reads; its oldest messages are left out.'
            )
          : isNear
            ? trans.__(
                'This chat has used %1 of what the model reads; older messages will be left out.',
                percent
              )
            : null}
      </span>
      {isNear ? null : (
        <span className="jp-ChatStream-share" aria-hidden="true">
          {percent}
        </span>
      )}
    </span>
  );
}
