/** Keys typed in a chat stay in it. */

/** On the focused element itself, or the notebook's shortcuts act on it (Shift+Enter, `dd`). */
export const SUPPRESS_SHORTCUTS = 'data-lm-suppress-shortcuts';

/** Spread into every focusable element of ours. */
export const OWN_KEYS = { [SUPPRESS_SHORTCUTS]: 'true' } as const;
