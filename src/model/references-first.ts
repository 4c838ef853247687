// An order of things that refer to one another by index: what is referred to comes first.

/**
 * All indexes, each after those that `below` names for it, otherwise from 0 up. A loop, which no store has, is cut
 * somewhere. Iterative: closures of derivations are thousands deep.
 */
export function referencesFirst(below: readonly (readonly number[])[]): number[] {
  const order: number[] = [];
  const next = new Int32Array(below.length).fill(-1);
  for (let root = 0; root < below.length; root++) {
    if (next[root] !== -1) continue;
    const stack = [root];
    next[root] = 0;
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const reference = below[top]![next[top]!++];
      if (reference === undefined) order.push(stack.pop()!);
      else if (next[reference] === -1) {
        next[reference] = 0;
        stack.push(reference);
      }
    }
  }
  return order;
}
