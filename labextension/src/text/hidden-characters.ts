/** Texts that a person decides about: characters that cannot be seen are shown by their numbers. Pure. */

/**
 * The first group stays: what joins the parts of an emoji. The rest are controls except tab and line
 * feed, marks of direction, and characters without a width or a look. Any of them can make a text
 * look different from what it does.
 */
const HIDDEN =
  /((?<=\p{Extended_Pictographic})\ufe0f|(?<=\p{Extended_Pictographic}\ufe0f?)\u200d(?=\p{Extended_Pictographic}))|[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Zl}\p{Zp}\u0000-\u0008\u000b-\u001f\u007f-\u009f]/gu;

/** A text in which each hidden character stands as `⟨U+202E⟩`. */
export function revealHidden(text: string): string {
  return text.replace(HIDDEN, (character: string, joiner: string | undefined) => {
    const number = character.codePointAt(0) ?? 0;
    return joiner ?? `⟨U+${number.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}
