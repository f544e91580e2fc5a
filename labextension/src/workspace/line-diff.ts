/** Compares two texts line by line. Pure. */

/** A part of a line; `isChanged` if the part differs from the replaced line. */
export interface DiffPiece {
  readonly text: string;
  readonly isChanged: boolean;
}

export interface DiffLine {
  readonly kind: 'same' | 'removed' | 'added';
  readonly pieces: readonly DiffPiece[];
}

/** The most fields of the table of common lines; longer texts count as replaced. */
const MOST_FIELDS = 1_000_000;

/** Compare two texts line by line. Null means no text, without any line. */
export function lineDiff(before: string | null, after: string | null): readonly DiffLine[] {
  const oldLines = before === null ? [] : before.split('\n');
  const newLines = after === null ? [] : after.split('\n');
  const head = commonLength(oldLines, newLines, at => at);
  const tail = commonLength(
    oldLines.slice(head),
    newLines.slice(head),
    (at, length) => length - 1 - at
  );
  const [oldEnd, newEnd] = [oldLines.length - tail, newLines.length - tail];
  const lines: DiffLine[] = oldLines.slice(0, head).map(unchangedLine);
  let [oldAt, newAt] = [head, head];
  for (const [i, j] of [
    ...commonLines(oldLines, newLines, [head, oldEnd], [head, newEnd]),
    [oldEnd, newEnd]
  ] as const) {
    lines.push(...changedLines(oldLines.slice(oldAt, i), newLines.slice(newAt, j)));
    if (i < oldEnd) {
      lines.push(unchangedLine(oldLines[i] ?? ''));
    }
    [oldAt, newAt] = [i + 1, j + 1];
  }
  return [...lines, ...oldLines.slice(oldEnd).map(unchangedLine)];
}

function unchangedLine(text: string): DiffLine {
  return { kind: 'same', pieces: [{ text, isChanged: false }] };
}

/** How many equal lines two lists have at one end. */
function commonLength(
  lines: readonly string[],
  otherLines: readonly string[],
  indexOf: (at: number, length: number) => number
): number {
  const maxLength = Math.min(lines.length, otherLines.length);
  let at = 0;
  while (
    at < maxLength &&
    lines[indexOf(at, lines.length)] === otherLines[indexOf(at, otherLines.length)]
  ) {
    at += 1;
  }
  return at;
}

type Range = readonly [from: number, to: number];

/** A longest common subsequence of lines, as pairs: the table of Wagner and Fischer. */
function commonLines(
  oldLines: readonly string[],
  newLines: readonly string[],
  [oldFrom, oldTo]: Range,
  [newFrom, newTo]: Range
): readonly Range[] {
  const [height, width] = [oldTo - oldFrom, newTo - newFrom];
  if (height === 0 || width === 0 || (height + 1) * (width + 1) > MOST_FIELDS) {
    return [];
  }
  const table = new Uint32Array((height + 1) * (width + 1));
  const field = (i: number, j: number): number => table[i * (width + 1) + j] ?? 0;
  for (let i = height - 1; i >= 0; i -= 1) {
    for (let j = width - 1; j >= 0; j -= 1) {
      const isEqual = oldLines[oldFrom + i] === newLines[newFrom + j];
      table[i * (width + 1) + j] = isEqual
        ? field(i + 1, j + 1) + 1
        : Math.max(field(i + 1, j), field(i, j + 1));
    }
  }
  const pairs: Range[] = [];
  let [i, j] = [0, 0];
  while (i < height && j < width) {
    if (oldLines[oldFrom + i] === newLines[newFrom + j]) {
      pairs.push([oldFrom + i, newFrom + j]);
      [i, j] = [i + 1, j + 1];
    } else if (field(i + 1, j) >= field(i, j + 1)) {
      i += 1;
    } else {
      j += 1;
    }
  }
  return pairs;
}

/** The removed and the added lines. If both are equally many, each pair is compared by characters. */
function changedLines(removed: readonly string[], added: readonly string[]): readonly DiffLine[] {
  const isPaired = removed.length === added.length;
  const line = (kind: DiffLine['kind'], text: string, other: string | undefined): DiffLine => ({
    kind,
    pieces: isPaired && other !== undefined ? piecesOf(text, other) : [{ text, isChanged: false }]
  });
  return [
    ...removed.map((text, at) => line('removed', text, added[at])),
    ...added.map((text, at) => line('added', text, removed[at]))
  ];
}

/** Mark the middle of a text that differs from another text; no marks if the texts share little. */
function piecesOf(text: string, other: string): readonly DiffPiece[] {
  const [letters, others] = [[...text], [...other]];
  const head = commonLength(letters, others, at => at);
  const tail = commonLength(
    letters.slice(head),
    others.slice(head),
    (at, length) => length - 1 - at
  );
  if ((head + tail) * 2 < Math.min(letters.length, others.length)) {
    return [{ text, isChanged: false }];
  }
  const end = letters.length - tail;
  return [
    { text: letters.slice(0, head).join(''), isChanged: false },
    { text: letters.slice(head, end).join(''), isChanged: true },
    { text: letters.slice(end).join(''), isChanged: false }
  ].filter(piece => piece.text !== '');
}
