/** The whole input of a tool call: code as code, the other fields as text. */
import { type ReactElement, useLayoutEffect, useRef } from 'react';

import { operationOf } from '../../fold/tool-calls';
import { type Fields, fieldsOf, isFields } from '../../protocol/fields';
import { revealHidden } from '../../text/hidden-characters';
import { codeText } from '../../text/texts';
import { OWN_KEYS } from '../controls/keys';
import { useMarkdownServices, useTrans } from '../hooks';
import { LongText } from '../messages/bubble';
import { pretty } from './pretty';

/** Longer code is not coloured, because colouring it would block the page for too long. */
const MOST_COLOURED_CHARS = 20_000;
/** Code of this many lines gets a note of its length, because its box shows only a part. */
const LONG_LINES = 20;
/** A longer list of objects is shown as JSON. */
const MOST_ITEMS = 100;
/** The card's title shows the value of this field, if the value is a short plain name. */
const OPERATION = 'operation';
/** The language of code in inputs: tools run code in Python kernels only. */
const LANGUAGE = 'python';

export function ToolInput({ input }: { readonly input: unknown }): ReactElement {
  const trans = useTrans();
  const { code, ...others } = fieldsOf(input);
  const isCode = typeof code === 'string';
  const fields = Object.entries(isCode ? others : fieldsOf(input)).filter(
    ([name]) => name !== OPERATION || operationOf(input) === null
  );
  if (fields.length === 0 && !isCode) {
    const isEmpty = input === null || input === undefined || typeof input === 'object';
    return isEmpty && !Array.isArray(input) ? (
      <p className="jp-ChatStream-toolNote">{trans.__('Without input')}</p>
    ) : (
      <TextBox text={revealHidden(pretty(input))} />
    );
  }
  return (
    <>
      {isCode ? <CodeBox code={code} /> : null}
      {fields.length === 0 ? null : <Fields fields={fields} />}
    </>
  );
}

interface FieldsProps {
  readonly fields: readonly (readonly [string, unknown])[];
  /** Whether the fields belong to an item of a list. */
  readonly isItem?: boolean;
}

function Fields(props: FieldsProps): ReactElement {
  return (
    <dl className="jp-ChatStream-toolFields">
      {props.fields.map(([name, value]) => (
        <div key={name} className={isShort(value) ? 'jp-mod-short' : undefined}>
          <dt dir="auto">{revealHidden(name)}</dt>
          <dd>
            <FieldValue value={value} isItem={props.isItem === true} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** A value of a field. The objects of a list stand one below the other; texts are not escaped. */
function FieldValue(props: { readonly value: unknown; readonly isItem: boolean }): ReactElement {
  const { value } = props;
  if (isShort(value)) {
    return <code dir="auto">{revealHidden(pretty(value))}</code>;
  }
  if (props.isItem || !isListOfObjects(value)) {
    return <TextBox text={revealHidden(pretty(value))} />;
  }
  return (
    <ol className="jp-ChatStream-toolItems">
      {value.map((item, index) => (
        <li key={index}>
          <Fields fields={Object.entries(item)} isItem />
        </li>
      ))}
    </ol>
  );
}

/** Whether a value is a list of at most MOST_ITEMS objects. */
function isListOfObjects(value: unknown): value is readonly Fields[] {
  return (
    Array.isArray(value) &&
    value.length <= MOST_ITEMS &&
    value.every(item => isFields(item) && Object.keys(item).length > 0)
  );
}

/** Whether a value fits beside its name: it is no object, and its text is one short line. */
function isShort(value: unknown): boolean {
  return typeof value === 'string'
    ? value.length <= 80 && !value.includes('\n')
    : typeof value !== 'object' || value === null;
}

function CodeBox({ code }: { readonly code: string }): ReactElement {
  const trans = useTrans();
  const text = revealHidden(code);
  const lines = text.split('\n').length;
  return (
    <>
      <pre
        {...OWN_KEYS}
        className="jp-ChatStream-toolText jp-mod-code"
        data-testid="tool-code"
        dir="ltr"
        role="group"
        aria-label={codeText(trans)}
        tabIndex={0}
      >
        {text.length <= MOST_COLOURED_CHARS ? <Coloured text={text} /> : <LongText text={text} />}
      </pre>
      {lines < LONG_LINES ? null : (
        <p className="jp-ChatStream-toolNote">
          {trans.__('%1 lines: scroll to read all of them.', lines)}
        </p>
      )}
    </>
  );
}

/** Short code, coloured as soon as the page's highlighter has time. */
function Coloured({ text }: { readonly text: string }): ReactElement {
  const host = useRef<HTMLElement>(null);
  const { colour } = useMarkdownServices();
  useLayoutEffect(() => {
    const node = host.current;
    if (node === null) {
      return undefined;
    }
    node.textContent = text;
    let isShown = true;
    colour(text, LANGUAGE, colouredNode => {
      if (isShown && colouredNode.textContent === text) {
        node.replaceChildren(...colouredNode.childNodes);
      }
    });
    return () => {
      isShown = false;
    };
  }, [text, colour]);
  return <code ref={host} />;
}

/** A text in a box that scrolls. */
export function TextBox({ text }: { readonly text: string }): ReactElement {
  const trans = useTrans();
  return (
    <pre
      {...OWN_KEYS}
      className="jp-ChatStream-toolText"
      dir="auto"
      role="group"
      aria-label={trans.__('Text')}
      tabIndex={0}
    >
      <LongText text={text} />
    </pre>
  );
}
