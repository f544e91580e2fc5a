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

/** An i in a circle, for a note. */
export function InfoIcon(): ReactElement {
  return (
    <svg className="jp-ChatStream-icon" viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="6.25" />
      <path d="M8 7.4v3.8M8 4.9v.1" />
    </svg>
  );
}

/** A paper clip, for attaching. */
export function ClipIcon(): ReactElement {
  return (
    <svg className="jp-ChatStream-icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d="M12.9 7.3 8.1 12a3.2 3.2 0 0 1-4.6-4.5l5-5a2.1 2.1 0 0 1 3 3l-5 4.9a1 1 0 0 1-1.5-1.4l4.5-4.4" />
    </svg>
  );
}
