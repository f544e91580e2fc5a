/** What the components of a chat have in common. */
import { type ThreadClient, type ThreadState } from '../thread/model';

export interface ThreadProps {
  readonly client: ThreadClient;
  readonly state: ThreadState;
}

/** Of a component with something to press. */
export interface ThreadControlProps extends ThreadProps {
  readonly isDisabled: boolean;
}
