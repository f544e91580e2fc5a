/** The chat's icons. Screen readers skip them: the buttons around them have labels. */
import { type ReactElement } from 'react';

/** A component that draws a path, and what is no path, on 16 × 16 pixels. */
function icon(path: string, extra: ReactElement | null = null, className = '') {
  return function Icon(): ReactElement {
    return (
      <svg className={`jp-ChatStream-icon${className}`} viewBox="0 0 16 16" aria-hidden="true">
        {extra}
        <path d={path} />
      </svg>
    );
  };
}

const RING = <circle cx="8" cy="8" r="6.25" />;

export const ClockIcon = icon('M8 4.5V8l2.4 1.6', RING);
export const InfoIcon = icon('M8 7.4v3.8M8 4.9v.1', RING);
export const ClipIcon = icon(
  'M12.9 7.3 8.1 12a3.2 3.2 0 0 1-4.6-4.5l5-5a2.1 2.1 0 0 1 3 3l-5 4.9a1 1 0 0 1-1.5-1.4l4.5-4.4'
);
export const CopyIcon = icon(
  'M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5',
  <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
);
export const ToolIcon = icon(
  'M13.6 4.6 11.4 6.8 9.2 4.6l2.2-2.2a3.7 3.7 0 0 0-4.9 4.6L2.6 10.9a1.8 1.8 0 0 0 2.5 2.5L9 9.5a3.7 3.7 0 0 0 4.6-4.9Z'
);
export const DoneIcon = icon('m3 8.5 3.3 3.3L13 4.8');
export const FailedIcon = icon('m4 4 8 8m0-8-8 8');
export const EditIcon = icon(
  'm3 13 .6-2.9 7.3-7.3a1.2 1.2 0 0 1 1.7 0l.6.6a1.2 1.2 0 0 1 0 1.7l-7.3 7.3L3 13ZM9.7 4l2.3 2.3'
);
/** An arrow in a circle, for another answer. */
export const AgainIcon = icon('M13 8a5 5 0 1 1-1.6-3.7L13 5.8M13 2.8v3h-3');
/** An arrow in a circle, for a list that is requested again. */
export const RefreshIcon = icon('M13 8a5 5 0 1 1-1.6-3.7M13 2.5V5h-2.5');
export const CaretIcon = icon('M4.5 6.5 8 10l3.5-3.5', null, ' jp-ChatStream-caret');
export const SlidersIcon = icon(
  'M2 5h6m4 0h2M2 11h2m4 0h6',
  <>
    <circle cx="10" cy="5" r="1.75" />
    <circle cx="6" cy="11" r="1.75" />
  </>
);
export const NotebookIcon = icon('M4.5 2.5h8v11h-8zM2.5 5h2m-2 3h2m-2 3h2M7.5 6h2.5');
export const SearchIcon = icon('M10.2 10.2 14 14', <circle cx="7" cy="7" r="4.25" />);
