import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

const renderer: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-chat-stream:plugin',
  description: 'Draws chat threads in notebook outputs.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  activate: () => undefined
};

export default renderer;
