// A store that is another one but for some members: what wrappers are made of. Whatever else the store can do (write, keep
// roots), the wrapped one can do too.

import type { Store } from '../store.ts';

/** `store` with the members of `ours` in place of its own. */
export function forward<S extends Store>(store: S, ours: Partial<Store>): S {
  return new Proxy(store, {
    has: (target, key) => Object.hasOwn(ours, key) || Reflect.has(target, key),
    get(target, key) {
      if (Object.hasOwn(ours, key)) return ours[key as keyof Store];
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      // no bind(): `await using` of V8 in Node 24 says of a bound function that it is no function
      return (...args: unknown[]): unknown => Reflect.apply(value, target, args);
    },
  });
}
