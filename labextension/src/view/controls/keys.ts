/** Keeps keys that are typed in a chat away from the notebook. */

/** The focused element needs this attribute, or the notebook's shortcuts act (Shift+Enter, `dd`). */
export const SUPPRESS_SHORTCUTS = 'data-lm-suppress-shortcuts';

/** The attribute as props; every focusable element of the chat has it. */
export const OWN_KEYS = { [SUPPRESS_SHORTCUTS]: 'true' } as const;
