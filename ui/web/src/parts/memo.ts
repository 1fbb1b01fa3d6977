//! Keeps a component as it is while its properties are the same objects.

import { Component, h, type ComponentChild, type FunctionComponent } from 'preact';

export function memo<P extends object>(inner: (props: P) => ComponentChild): FunctionComponent<P> {
  class Kept extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const [before, after] = [this.props as Record<string, unknown>, next as Record<string, unknown>];
      return Object.keys(after).some((key) => after[key] !== before[key]);
    }
    override render(): ComponentChild {
      return h(inner as FunctionComponent<P>, this.props as P & object);
    }
  }
  return Kept as unknown as FunctionComponent<P>;
}
