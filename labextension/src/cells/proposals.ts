/** Shows the edits that chats propose at the cells of notebooks, for as long as the page lives. */
import { type ProposalOptions } from './proposals-at-cells';

export function showProposals(options: ProposalOptions): void {
  const { workspace } = options;
  let update: (() => void) | null = null;
  let isLoading = false;
  const updateOrLoad = (): void => {
    update?.();
    if (update === null && !isLoading && workspace.proposals.list().length > 0) {
      isLoading = true;
      import(/* webpackChunkName: "view" */ './proposals-at-cells').then(
        ({ ProposalsAtCells }) => {
          update = new ProposalsAtCells(options).updateSoon;
          update();
        },
        (reason: unknown) => {
          isLoading = false; // the next proposal asks again
          console.warn('Proposed edits are shown in the chat only:', reason);
        }
      );
    }
  };
  workspace.proposals.subscribe(updateOrLoad);
  workspace.subscribe(updateOrLoad);
}
