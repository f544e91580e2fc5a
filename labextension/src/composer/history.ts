/**
 * The sent texts of a thread, as arrow keys bring them back.
 *
 * The draft stands before the newest sent text, and is set aside while an older text is in the field.
 * A text that was changed on the way stays changed until a message is sent.
 */
import { contentOf } from '../fold/endings';
import { type Transcript } from '../fold/transcript';

/** Older texts are not offered. */
const MAX_TEXTS = 200;

/** The texts that a person has sent in this thread, the newest first; equal neighbours count once. */
export function sentTexts(transcript: Transcript): readonly string[] {
  const texts: string[] = [];
  for (const message of [...transcript.messages.values()].reverse()) {
    const text = message.role === 'user' ? contentOf(message).trim() : '';
    if (text !== '' && text !== texts.at(-1)) {
      texts.push(text);
    }
    if (texts.length === MAX_TEXTS) {
      break;
    }
  }
  return texts;
}

export class HistoryWalk {
  /** @param aside - the draft that an earlier page has set aside; null if it had none. */
  constructor(aside: string | null) {
    this._aside = aside;
    // The earlier page's place is not known. Its text counts as the newest one, changed.
    this._at = aside === null ? 0 : 1;
  }

  /** The draft that was set aside; null while the draft itself is in the field. */
  get aside(): string | null {
    return this._aside;
  }

  /** Go one text back. Returns the text for the field; null if there is no older one. */
  older(text: string, texts: readonly string[]): string | null {
    // What is sent meanwhile, in another view, does not move the place.
    this._sentTexts = this._at === 0 ? texts : (this._sentTexts ?? texts);
    if (this._at >= this._sentTexts.length) {
      return null;
    }
    this._leave(text);
    this._at += 1;
    return this._textHere();
  }

  /** Go one text forward, at last to the draft. Returns null if the draft is in the field. */
  newer(text: string): string | null {
    if (this._at === 0) {
      return null;
    }
    this._leave(text);
    this._at -= 1;
    if (this._at > 0) {
      return this._textHere();
    }
    const draft = this._aside ?? '';
    this._aside = null;
    return draft;
  }

  /** Return the draft that takes the place of the text, because the text was sent. */
  restoreDraft(): string {
    const draft = this._aside ?? '';
    this._aside = null;
    this._at = 0;
    this._changes.clear();
    return draft;
  }

  private _textHere(): string {
    return this._changes.get(this._at) ?? this._sentTexts?.[this._at - 1] ?? '';
  }

  private _leave(text: string): void {
    if (this._at === 0) {
      this._aside = text;
    } else {
      this._changes.set(this._at, text);
    }
  }

  private _aside: string | null;
  private _sentTexts: readonly string[] | null = null;
  /** 0 is the draft, 1 the newest sent text. */
  private _at: number;
  /** By place: what became of a sent text in the field. */
  private readonly _changes = new Map<number, string>();
}
