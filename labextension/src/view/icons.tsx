/** The chat's icons. Screen readers skip them: the buttons around them have labels. */
import { type ReactElement } from 'react';

/** A clock, for waiting until a time. */
export function ClockIcon(): ReactElement {
  return (
    <svg className="jp-ChatStream-icon" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="6.25" />
      <path d="M8 4.5V8l2.4 1.6" />
    </svg>
  );
}
