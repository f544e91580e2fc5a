/** Writes the TeX of a copy without commands that could load, link or redefine. Pure. */
/** TeX commands that link, load, set attributes, or rename such commands. */
const COMMANDS =
  'href|url|require|class|cssId|style|data|html[A-Za-z]*|includegraphics|bbox|mmlToken|unicode' +
  '|def|[egx]def|let|futurelet|newcommand|renewcommand|providecommand|newenvironment' +
  '|renewenvironment|DeclareMathOperator|csname|catcode|input|include|toggle|action|texttip|mathtip';
export const RISKY_COMMAND = `\\\\(?:${COMMANDS})(?![A-Za-z])`;
const COMMAND = new RegExp(`\\\\(?=(?:${COMMANDS})(?![A-Za-z]))`, 'g');
/** An invisible character; a name after it is no command any more. */
const JOINER = '\u2060';
export const ENVIRONMENT = /\\(begin|end)[ \t]*\{([^{}\n]*)\}/;

/** Write TeX so that it makes no links, and is harmless if a renderer reads it as text. */
export function maths(source: string): string {
  const content = source
    .replaceAll('<', '\\lt ')
    .replace(COMMAND, () => `\\${JOINER}`)
    .replace(/!(?=\[)|\](?=[(:{])|\)(?=\{)|&(?=[#A-Za-z])/g, mark => `${mark} `)
    .replace(/\\\\(?=[()[\]])/g, mark => `${mark} `);
  return areEnvironmentsClosed(content)
    ? content
    : content.replace(/\\(?=(?:begin|end)(?![A-Za-z]))/g, () => `\\${JOINER}`);
}

function areEnvironmentsClosed(content: string): boolean {
  const names: string[] = [];
  for (const [, mark, name = ''] of content.matchAll(new RegExp(ENVIRONMENT, 'g'))) {
    if (mark === 'begin') {
      names.push(name);
    } else if (names.pop() !== name) {
      return false;
    }
  }
  return names.length === 0;
}
