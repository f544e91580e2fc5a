/** Tokens and costs in words, in the language of the page. Pure. */
import { type Language } from '../../text/language';

/** A cost below this is told as "less than": rounded, it would read as 0. */
const LEAST_SHOWN_USD = 0.0001;
/** A cost below this is told with two significant digits, a higher one in whole cents. */
const BY_CENT_USD = 1;

/** `1,234`. */
export function numberText(value: number, language: Language): string {
  return new Intl.NumberFormat(language.locale).format(value);
}

/** `1,234 tokens`. */
export function tokensText(tokens: number, language: Language): string {
  const { trans } = language;
  return trans._n('%2 token', '%2 tokens', tokens, numberText(tokens, language));
}

/** `$1.20`, `$0.012`, `less than $0.0001`. */
export function costText(cost_usd: number, language: Language): string {
  const { trans } = language;
  const isTiny = cost_usd > 0 && cost_usd < LEAST_SHOWN_USD;
  const isSmall = cost_usd > 0 && cost_usd < BY_CENT_USD;
  const money = new Intl.NumberFormat(language.locale, {
    style: 'currency',
    currency: 'USD',
    currencyDisplay: 'narrowSymbol',
    ...(isSmall ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 2 })
  });
  return isTiny ? trans.__('less than %1', money.format(LEAST_SHOWN_USD)) : money.format(cost_usd);
}

/** The words in place of a cost that is not known. */
export function unknownCostText({ trans }: Language): string {
  return trans.__('cost unknown');
}

/** `34 %`. */
export function shareText(share: number, language: Language): string {
  const format = new Intl.NumberFormat(language.locale, {
    style: 'percent',
    maximumFractionDigits: 0
  });
  return format.format(share);
}
