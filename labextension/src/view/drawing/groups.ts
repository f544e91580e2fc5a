/**
 * The groups of the blocks in one parent. The browser lays out each group alone.
 *
 * Without them, the browser's time for one more block grows with the number of all blocks.
 */
import { ownElement } from './nodes';

/** The first blocks of an answer, which stand in no group. */
const UNGROUPED_BLOCKS = 40;
const BLOCKS_IN_A_GROUP = 32;
const CHARS_IN_A_LINE = 90;
/** The most cells in one table; further rows stand in a table of their own below it. */
const MOST_CELLS = 4_000;

/** The first blocks stand in the parent itself, the others in groups. */
export abstract class Groups {
  constructor(protected readonly parent: HTMLElement) {}

  /** The parent of the block with this index. */
  parentOf(at: number): HTMLElement {
    const index = this.groupOf(at);
    return index < 0 ? this.parent : (this.groups[index] ??= this.make());
  }

  /** Remove the groups after those of the first `count` blocks. */
  cut(count: number): void {
    this.groups.splice(this.groupOf(count - 1) + 1).forEach(group => this.remove(group));
  }

  /** The index of a block's group; -1 for the parent. */
  protected abstract groupOf(at: number): number;
  /** Add an empty group to the page. */
  protected abstract make(): HTMLElement;
  protected abstract remove(group: HTMLElement): void;

  protected readonly groups: HTMLElement[] = [];
}

/** The groups of a whole answer. */
export class AnswerGroups extends Groups {
  /** Let the browser skip the layout of finished groups that are not on the screen. */
  skipLayout(finishedCount: number): void {
    for (const group of this.groups.slice(
      this._skipped,
      Math.max(0, this.groupOf(finishedCount))
    )) {
      const lines = [...group.children].map(
        ({ textContent }) => 1.5 + Math.ceil((textContent ?? '').length / CHARS_IN_A_LINE)
      );
      group.style.setProperty(
        '--jp-chat-lines',
        String(lines.reduce((sum, count) => sum + count, 0))
      );
      group.classList.add('jp-mod-spared');
      this._skipped += 1;
    }
  }

  protected override groupOf(at: number): number {
    return Math.max(-1, Math.floor((at - UNGROUPED_BLOCKS) / BLOCKS_IN_A_GROUP));
  }

  protected override make(): HTMLElement {
    const group = ownElement('div', 'jp-ChatStream-group');
    this.parent.append(group);
    return group;
  }

  protected override remove(group: HTMLElement): void {
    group.remove();
  }

  private _skipped = 0;
}

/** The groups of a long table's rows: tables below the first one. */
export class RowGroups extends Groups {
  protected override groupOf(at: number): number {
    const columns = this.parent.closest('table')?.rows[0]?.cells.length ?? 1;
    // An even number, because every other row has another colour.
    const rows = 2 * Math.ceil(MOST_CELLS / 2 / Math.max(1, columns));
    return Math.max(-1, Math.floor(at / rows) - 1);
  }

  protected override make(): HTMLElement {
    const first = this.parent.closest('table');
    const table = document.createElement('table');
    table.dir = first?.dir ?? '';
    first?.parentElement?.append(table);
    return table.createTBody();
  }

  protected override remove(group: HTMLElement): void {
    group.parentElement?.remove();
  }
}
