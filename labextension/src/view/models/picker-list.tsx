/** The list that the model picker opens: a search field, and the models in groups. */
import { type TranslationBundle } from '@jupyterlab/translation';
import { type KeyboardEvent, type ReactElement, useId, useMemo, useState } from 'react';

import { type ModelChoices, type ModelsState } from '../../models/model-choices';
import { type ModelGroup, abilities, mayEnterKey, offer } from '../../models/offer';
import { type Model } from '../../protocol/records';
import { Button } from '../controls/button';
import { RefreshIcon } from '../controls/icons';
import { OWN_KEYS } from '../controls/keys';
import { useShownIf, useTrans } from '../hooks';
import { KeyField, replaceText } from './key-field';

interface PickerListProps {
  readonly choices: ModelChoices;
  readonly state: ModelsState;
  /** The id of the thread's model. */
  readonly current: string;
  readonly onChoose: (model: Model) => void;
}

/** So many options are passed by PageUp and PageDown. */
const PAGE = 8;

interface ListedModel {
  readonly group: ModelGroup;
  readonly model: Model;
}

export function PickerList(props: PickerListProps): ReactElement {
  const { choices, state } = props;
  const trans = useTrans();
  const id = useId();
  const [query, setQuery] = useState('');
  const [keyFor, setKeyFor] = useState<string | null>(null); // the group that asks for its key
  const groups = useMemo(
    () => (state.list === null ? [] : offer(state.list, query, state.recent, trans)),
    [state.list, state.recent, query, trans]
  );
  const take = ({ group, model }: ListedModel): void => {
    if (model.ready) {
      props.onChoose(model);
    } else if (mayAskKey(group)) {
      setKeyFor(group.key);
    }
  };
  const { places, active, onKeyDown } = useOptions(groups, {
    query,
    current: props.current,
    onTake: take
  });
  return (
    <>
      <div className="jp-ChatStream-search">
        <SearchField
          lists={groups.filter(group => group.models.length > 0).map(group => listId(id, group))}
          active={places.length > 0 ? `${id}-${active}` : undefined}
          query={query}
          onKeyDown={onKeyDown}
          onChange={setQuery}
        />
        <Refresh choices={choices} isLoading={state.isLoading} />
      </div>
      <div className="jp-ChatStream-options" aria-busy={state.isLoading}>
        {groups.map(group => (
          <Group
            key={group.key}
            id={id}
            group={group}
            first={places.findIndex(place => place.group === group)}
            active={active}
            currentIndex={places.findIndex(({ model }) => model.id === props.current)}
            choices={choices}
            isAsking={keyFor === group.key}
            onAsk={isAsked => setKeyFor(isAsked ? group.key : null)}
            onTake={model => take({ group, model })}
          />
        ))}
      </div>
      {groups.length === 0 || state.problem !== null ? <NoModels state={state} /> : null}
    </>
  );
}

/** Why the list is empty, or why it is not new. */
function NoModels({ state }: { readonly state: ModelsState }): ReactElement {
  const trans = useTrans();
  const reason = state.list === null ? lookingText(trans) : trans.__('No model matches.');
  return (
    <p className="jp-ChatStream-hint jp-ChatStream-noModels" role="status">
      {state.problem ?? reason}
    </p>
  );
}

/** The options of all groups, and the one that the arrow keys have reached. */
function useOptions(
  groups: readonly ModelGroup[],
  options: {
    readonly query: string;
    readonly current: string;
    readonly onTake: (place: ListedModel) => void;
  }
) {
  const { query, current } = options;
  const [reachedKey, setReachedKey] = useState<string | null>(null);
  // Another search begins at the first option again.
  const keyOf = ({ group, model }: ListedModel): string => [query, group.key, model.id].join('\n');
  const places = groups.flatMap(group => group.models.map(model => ({ group, model })));
  const reachedIndex = places.findIndex(place => keyOf(place) === reachedKey);
  const first = Math.max(
    0,
    query === '' ? places.findIndex(({ model }) => model.id === current) : 0
  );
  const active = reachedIndex >= 0 ? reachedIndex : first;
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = STEPS[event.key];
    const place = places[step === undefined ? active : stepFrom(active, step, places.length)];
    if (place === undefined || event.nativeEvent.isComposing) {
      return;
    }
    if (step !== undefined) {
      event.preventDefault();
      setReachedKey(keyOf(place));
    } else if (event.key === 'Enter') {
      event.preventDefault();
      options.onTake(place);
    }
  };
  return { places, active, onKeyDown };
}

function SearchField(props: {
  /** The ids of the groups' lists, and of the active option. */
  readonly lists: readonly string[];
  readonly active: string | undefined;
  readonly query: string;
  readonly onKeyDown: (event: KeyboardEvent) => void;
  readonly onChange: (query: string) => void;
}): ReactElement {
  const trans = useTrans();
  const label = trans.__('Search models');
  return (
    <input
      {...OWN_KEYS}
      data-testid="model-search"
      role="combobox"
      aria-label={label}
      aria-expanded="true"
      aria-controls={props.lists.join(' ')}
      aria-autocomplete="list"
      aria-activedescendant={props.active}
      autoComplete="off"
      spellCheck={false}
      autoFocus
      placeholder={label}
      value={props.query}
      onChange={event => props.onChange(event.target.value)}
      onKeyDown={props.onKeyDown}
    />
  );
}

const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: PAGE,
  PageUp: -PAGE
};

/** A step of one goes round at the ends, a longer one stops there. */
function stepFrom(from: number, step: number, count: number): number {
  if (Math.abs(step) === 1) {
    return (from + step + count) % count;
  }
  return Math.max(0, Math.min(count - 1, from + step));
}

function mayAskKey({ endpoint }: ModelGroup): boolean {
  return endpoint !== null && mayEnterKey(endpoint);
}

/** The id of a group's list. */
function listId(id: string, { key }: ModelGroup): string {
  return `${id}-list-${encodeURIComponent(key)}`; // a blank would end the id
}

function Refresh(props: {
  readonly choices: ModelChoices;
  readonly isLoading: boolean;
}): ReactElement {
  const trans = useTrans();
  return (
    <Button
      testid="refresh"
      className={`jp-mod-quiet jp-ChatStream-refresh${props.isLoading ? ' jp-mod-busy' : ''}`}
      label={props.isLoading ? lookingText(trans) : trans.__('Look for models again')}
      onClick={() => void props.choices.load(true)}
    >
      <RefreshIcon />
    </Button>
  );
}

interface GroupProps {
  readonly id: string;
  readonly group: ModelGroup;
  /** The index of the group's first option among all. */
  readonly first: number;
  readonly active: number;
  /** The index of the thread's model among all; another place of the same model is not chosen. */
  readonly currentIndex: number;
  readonly choices: ModelChoices;
  readonly isAsking: boolean;
  readonly onAsk: (isAsked: boolean) => void;
  readonly onTake: (model: Model) => void;
}

/** A group: its title, what is to be known of it, and the list of its models. */
function Group(props: GroupProps): ReactElement {
  const { id, group, first } = props;
  const trans = useTrans();
  const list = listId(id, group);
  return (
    <div className="jp-ChatStream-modelGroup" data-testid="model-group" data-key={group.key}>
      <div id={`${list}-title`} className="jp-ChatStream-groupTitle">
        {group.title}
      </div>
      <GroupKey {...props} />
      {group.models.length === 0 ? null : (
        <div id={list} role="listbox" aria-labelledby={`${list}-title`}>
          {group.models.map((model, index) => (
            <Option
              key={model.id}
              id={`${id}-${first + index}`}
              model={model}
              isActive={first + index === props.active}
              isChosen={first + index === props.currentIndex}
              onTake={props.onTake}
            />
          ))}
        </div>
      )}
      {group.hidden > 0 ? (
        <p className="jp-ChatStream-hint">
          {trans._n(
            '%1 more model: search for it.',
            '%1 more models: search for one.',
            group.hidden
          )}
        </p>
      ) : null}
    </div>
  );
}

/** Why a group's models cannot be used, and the field for the key that they want. */
function GroupKey(props: GroupProps): ReactElement {
  const { group, isAsking } = props;
  const trans = useTrans();
  const { endpoint } = group;
  return (
    <>
      {group.reason === null ? null : (
        <div className="jp-ChatStream-hint jp-ChatStream-reason" data-testid="reason">
          <span>{group.reason}</span>
          {mayAskKey(group) ? (
            <Button testid="enter-key" isOpen={isAsking} onClick={() => props.onAsk(!isAsking)}>
              {endpoint?.has_key === true ? replaceText(trans) : trans.__('Enter a key')}
            </Button>
          ) : null}
        </div>
      )}
      {isAsking && endpoint !== null ? (
        <KeyField
          choices={props.choices}
          endpoint={endpoint}
          hasFocus
          next="model-search"
          onKept={() => {
            props.onAsk(false);
            return true;
          }}
        />
      ) : null}
    </>
  );
}

function Option(props: {
  readonly id: string;
  readonly model: Model;
  readonly isActive: boolean;
  readonly isChosen: boolean;
  readonly onTake: (model: Model) => void;
}): ReactElement {
  const { model, isActive } = props;
  const trans = useTrans();
  const node = useShownIf(isActive);
  const can = abilities(model, trans).join(' · ');
  return (
    <div
      ref={node}
      id={props.id}
      role="option"
      className={`jp-ChatStream-option${isActive ? ' jp-mod-active' : ''}`}
      data-testid="model-option"
      data-value={model.id}
      aria-selected={props.isChosen}
      aria-disabled={!model.ready}
      title={model.id}
      onPointerDown={event => event.preventDefault() /* the search field keeps the focus */}
      onClick={() => props.onTake(model)}
    >
      <span className="jp-ChatStream-optionName">{model.label}</span>
      {can === '' ? null : <span className="jp-ChatStream-can">{can}</span>}
    </div>
  );
}

export function lookingText(trans: TranslationBundle): string {
  return trans.__('Looking for models…');
}

export function modelsText(trans: TranslationBundle): string {
  return trans.__('Models');
}
