import { DhError } from '../../errors.js';

/** Who works on a project: one render at a time. */
export class ProjectHolds {
  readonly #holders = new Map<string, string>();

  /** Gives a project to a render; one without a project needs none. Throws `render_busy` while another has it. */
  take(project: string | null, render: string): void {
    if (project === null) return;
    if (this.#holders.has(project)) {
      throw new DhError('render_busy', `The project ${project} is being rendered already.`, {
        hint: 'Wait until that render has ended, or delete it first. Another project can be rendered beside it.',
      });
    }
    this.#holders.set(project, render);
  }

  /** Harmless for one that does not have it. */
  giveBack(project: string | null, render: string): void {
    if (project !== null && this.#holders.get(project) === render) this.#holders.delete(project);
  }

  isTaken(project: string): boolean {
    return this.#holders.has(project);
  }
}
