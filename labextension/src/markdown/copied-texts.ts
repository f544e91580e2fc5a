/** Writes plain texts of a copy: control characters, blanks, names in one line. Pure. */
/** Characters that are Markdown at the beginning of a line, or anywhere in it. */
const FRONT_MARK = /^([0-9]{0,9})([-+=.)])/;
const SPECIAL = /[\\$<>&[\]!`{}*_#~|]/g;

/** Write a text's control characters as their pictures (U+2400), line ends as line feeds. */
export function visible(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd')
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, control =>
      String.fromCharCode(0x2400 + control.charCodeAt(0))
    )
    .replace(/[\u007f-\u009f\u2028\u2029]/g, '\ufffd');
}

/** Write a text that is no Markdown (a name, a title) as one line of harmless Markdown. */
export function oneLine(text: string): string {
  return strip(visible(text).replace(/[ \t\n]+/g, ' '), ' ')
    .replace(SPECIAL, escapeMark)
    .replace(FRONT_MARK, (_, digits: string, mark: string) => `${digits}\\${mark}`);
}

function escapeMark(mark: string): string {
  const code = mark.charCodeAt(0);
  if (mark === '$' || mark === '\\') {
    return spanOf(code);
  }
  return '*_#~|'.includes(mark) ? `\\${mark}` : `&#${code};`;
}

export function blanksOf(line: string): number {
  let blanks = 0;
  while (line[blanks] === ' ') {
    blanks += 1;
  }
  return blanks;
}

export function isEmpty(line: string): boolean {
  return !/[^ \t]/.test(line);
}

/** Remove characters from both ends. */
export function strip(text: string, characters: string): string {
  let start = 0;
  while (start < text.length && characters.includes(text[start] ?? '')) {
    start += 1;
  }
  const rest = text.slice(start);
  let end = rest.length;
  while (end > 0 && characters.includes(rest[end - 1] ?? '')) {
    end -= 1;
  }
  return rest.slice(0, end);
}

export function stripEnd(line: string): string {
  let end = line.length;
  while (end > 0 && ' \t'.includes(line[end - 1] ?? '')) {
    end -= 1;
  }
  return line.slice(0, end);
}

/** Write a dollar or a backslash so that it begins no formula, in any renderer or in the page. */
export function spanOf(code: number): string {
  return `<span>&#${code};</span>`;
}

/** Write a tag as text. */
export function escapedTag(source: string): string {
  return source.replace(/[<&`$!\[\]\\{}]/g, mark => `&#${mark.charCodeAt(0)};`);
}

/** Write a text in HTML so that no renderer finds Markdown, maths or HTML in it. */
export function encode(text: string): string {
  return text.replace(/[^A-Za-z0-9 ]/g, char => {
    const code = char.charCodeAt(0);
    return code < 128 ? `&#${code};` : char;
  });
}

/** The match of a sticky pattern at a place. */
export function at(pattern: RegExp, text: string, place: number): RegExpExecArray | null {
  pattern.lastIndex = place;
  return pattern.exec(text);
}

export function isBlank(mark: string | undefined): boolean {
  return mark === ' ' || mark === '\t' || mark === '\n';
}
