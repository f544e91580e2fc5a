/**
 * Registers `Chat` with ipywidgets, where ipywidgets is installed.
 *
 * `@jupyter-widgets/base` is ipywidgets' own copy and no part of our bundle. It is therefore imported
 * only after its plugin was found, and the token of its registry comes from that import.
 */
import { type JupyterFrontEnd } from '@jupyterlab/application';

import { type ChatPage } from './mounting';
import { WIDGET_VERSION } from './tokens';

const MANAGER = '@jupyter-widgets/jupyterlab-manager:plugin';

/** Register the widget; without ipywidgets, nothing happens. */
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
