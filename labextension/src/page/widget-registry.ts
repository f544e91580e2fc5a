/**
 * Registers `Chat` with ipywidgets, where ipywidgets is installed.
 *
 * `@jupyter-widgets/base` belongs to ipywidgets and is no part of our bundle. This module therefore imports
 * it only if its plugin exists, and takes the registry's token from that import.
 */
import { type JupyterFrontEnd } from '@jupyterlab/application';

import { type ChatPage } from './mounting';
import { WIDGET_VERSION } from './tokens';

const MANAGER = '@jupyter-widgets/jupyterlab-manager:plugin';

/** Register the widget; without ipywidgets, do nothing. */
export async function registerWidget(app: JupyterFrontEnd, page: () => ChatPage): Promise<void> {
  if (!app.hasPlugin(MANAGER)) {
    return;
  }
  const { IJupyterWidgetRegistry } = await import('@jupyter-widgets/base');
  const registry = await app.resolveOptionalService(IJupyterWidgetRegistry);
  registry?.registerWidget({
    name: 'jupyter-chat-stream',
    version: WIDGET_VERSION,
    exports: async () => (await import('./widget')).widgetClasses(page)
  });
}
