/** How the composer's list shows its options. Pure. */
import { type TranslationBundle } from '@jupyterlab/translation';

import { firstLine } from '../../composer/context-items';
import { shownName } from '../../composer/files';
import { type CompletionOption } from '../../mentions/completion';
import { type Kind } from '../../mentions/query';
import { fileText, noNotebookText } from '../../text/texts';
import { type NoAnswer } from '../../workspace/values';

/** The name of an option. */
export function optionText(option: CompletionOption, trans: TranslationBundle): string {
  switch (option.kind) {
    case 'command': {
      const { name, argument } = option.command;
      return argument === null ? `/${name}` : `/${name} ‹${argument(trans)}›`;
    }
    case 'kind':
      return `@${option.of}`;
    case 'cell':
    case 'output':
      return `@${option.kind}${option.reference}`;
    case 'variable':
      return option.variable.name;
    case 'file':
      return shownName(option.entry.name);
    case 'folder':
      return `${shownName(option.entry.name)}/`;
  }
}

/** What stands beside the name of an option. */
export function detailText(option: CompletionOption, trans: TranslationBundle): string {
  switch (option.kind) {
    case 'command':
      return option.command.about(trans);
    case 'kind':
      return kindText(option.of, trans);
    case 'cell':
    case 'output': {
      const line = firstLine(option.cell.source);
      return option.isHere ? trans.__('this cell: %1', line) : line;
    }
    case 'variable': {
      const { type, shape, summary } = option.variable;
      return [type, shape, summary].filter(Boolean).join(' · ');
    }
    case 'file':
      return fileText(trans);
    case 'folder':
      return trans.__('folder');
  }
}

function kindText(kind: Kind, trans: TranslationBundle): string {
  switch (kind) {
    case 'cell':
      return trans.__('the source of a cell');
    case 'output':
      return trans.__('the output of a cell');
    case 'variable':
      return trans.__('a variable of the kernel');
    case 'file':
      return trans.__('a file on the server');
  }
}

/** Why the kernel's variables are not offered. */
export function obstacleText(obstacle: NoAnswer, trans: TranslationBundle): string {
  switch (obstacle) {
    case 'no_notebook':
      return noNotebookText(trans);
    case 'no_kernel':
      return trans.__('This notebook has no kernel.');
    case 'starting':
      return trans.__('The kernel is starting.');
    case 'busy':
      return trans.__('The kernel is busy, so its variables are not known.');
    case 'other_language':
      return trans.__('Only Python kernels can list their variables.');
    case 'missing':
    case 'failed':
      return trans.__('The kernel did not return its variables.');
  }
}
