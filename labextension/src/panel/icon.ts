/** The chat's icon, coloured by JupyterLab's theme. */
import { LabIcon } from '@jupyterlab/ui-components';

const BUBBLES = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3" fill="#616161" d="M4 3h16a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2h-8.6l-4.7 3.8A1 1
  0 0 1 5 20v-3H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm0 2v10h3v2.9l3.7-2.9H20V5zm3 3h10v2H7zm0 3h7v2H7z"/>
</svg>`;

export const chatIcon = new LabIcon({ name: 'jupyter-chat-stream:chat', svgstr: BUBBLES });
