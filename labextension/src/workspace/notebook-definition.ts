/** The tool `notebook` as the server lists it, and the operations of its calls. */
import { type ListedTool } from '../protocol/records';

export type ToolDefinition = Omit<ListedTool, 'consent' | 'is_on'>;

const OPERATION = {
  type: 'object',
  properties: {
    op: { enum: ['test', 'replace', 'add', 'remove', 'move'] },
    path: {
      type: 'string',
      description: 'test: /cells/N/id. replace: /cells/N/source. add, remove, move: /cells/N.'
    },
    from: { type: 'string', description: 'For move: /cells/N.' },
    value: {
      description:
        'test: the id of the cell. replace: its whole new source. ' +
        'add: {"cell_type": "code" or "markdown", "source": "…"}.'
    }
  },
  required: ['op', 'path']
} as const;

export const NOTEBOOK_TOOL: ToolDefinition = {
  name: 'notebook',
  description:
    'Reads the cells of a notebook of the person, and proposes edits of them as a JSON Patch ' +
    '(RFC 6902). Read first: each cell has an index, an id and a version. In the patch, put a test ' +
    'of /cells/N/id before each change of cell N, and before an add a test of the cell above. ' +
    'The person may accept some cells only: the result tells which. It fails as a whole if a cell ' +
    'has changed since it was read. It runs nothing.',
  input_schema: {
    type: 'object',
    properties: {
      operation: { enum: ['read', 'propose'] },
      path: {
        type: 'string',
        description: 'The path of the notebook. Read without it: the current notebook.'
      },
      cells: {
        type: 'array',
        items: { type: 'string' },
        description: 'For read: only the cells with these ids.'
      },
      images: {
        type: 'boolean',
        description: 'For read: also the images of the outputs, if you can see images.'
      },
      versions: {
        type: 'object',
        additionalProperties: { type: 'string' },
        description:
          'For propose: by cell id the version, from read, of each replaced or removed cell.'
      },
      patch: { type: 'array', items: OPERATION, description: 'For propose.' }
    },
    required: ['operation']
  },
  where: 'page',
  effect: 'change',
  operations: { read: 'read', propose: 'change' },
  partial: true,
  source: 'builtin'
};
