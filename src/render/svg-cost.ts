/** A tag with its attributes, or a part in which `<` begins none. */
const TAG = /<!--[\s\S]*?-->|<!\[CDATA\[[\s\S]*?\]\]>|<(\/?)([\w:.-]+)((?:[^<>"']|"[^"]*"|'[^']*')*)>/g;
const ID = /(?:^|\s)id\s*=\s*(?:"([^"]*)"|'([^']*)')/;
/** `href="#a"`, `xlink:href='#a'`, `fill="url(#a)"`, `style="mask: url('#a')"` */
const REFERENCE = /=\s*["']#([^"']+)["']|url\(\s*["']?#([^"')]+?)["']?\s*\)/g;

/**
 * How many elements are drawn for an SVG, with those that it refers to again and again: a few lines can make it billions.
 * Circles, which librsvg leaves out, count once.
 */
export function svgCost(text: string): number {
  const root: string[] = [];
  let own = 0;
  /** What is in each element that has an id: other elements with an id, and references to such. */
  const inside = new Map<string, { elements: number; refers: string[] }>();
  const open: (string | null)[] = [];
  const around = (): string | undefined => open.findLast((id) => id !== null) ?? undefined;
  for (const [, closing, tag, attributes] of text.matchAll(TAG)) {
    if (attributes === undefined) continue;
    if (closing === '/') {
      open.pop();
      continue;
    }
    const [, double, single] = ID.exec(attributes) ?? [];
    const id = double ?? single ?? null;
    const parent = around();
    const holder = parent === undefined ? undefined : inside.get(parent);
    if (id !== null) {
      (holder?.refers ?? root).push(id);
      inside.set(id, inside.get(id) ?? { elements: 0, refers: [] });
    }
    const mine = id === null ? holder : inside.get(id);
    if (mine) mine.elements += 1;
    else own += 1;
    // A link draws nothing.
    const references = tag === 'a' ? [] : attributes.matchAll(REFERENCE);
    for (const [, hash, url] of references) (mine?.refers ?? root).push(hash ?? url ?? '');
    if (!attributes.endsWith('/')) open.push(id);
  }
  const costs = new Map<string, number>();
  const costOf = (id: string): number => {
    const known = costs.get(id);
    if (known !== undefined) return known;
    const element = inside.get(id);
    if (element === undefined) return 0;
    costs.set(id, 0); // while it is not known: whoever comes back here has gone in a circle
    const cost = element.refers.reduce((sum, other) => sum + costOf(other), element.elements);
    costs.set(id, cost);
    return cost;
  };
  return root.reduce((sum, id) => sum + costOf(id), own);
}
