//! Where an error in drawing ends: what is inside is taken away, and said to have failed, with a
//! way to draw it anew. What stands around it goes on. Errors of what is asked for are not meant.

import { Component, type ComponentChildren } from 'preact';
import { t } from '../core/i18n';
import { Failure } from './notice';

interface Props {
  /** What is drawn inside: once it is something else, that is drawn. */
  of: readonly unknown[];
  /** Whether all of a page is inside, heading and all. */
  isPage?: boolean;
  children: ComponentChildren;
}

interface State {
  error: Error | null;
  /** What the error is of. */
  of: readonly unknown[];
}

/** Keeps an error in drawing to what it is about. */
export class Boundary extends Component<Props, State> {
  override state: State = { error: null, of: this.props.of };

  static override getDerivedStateFromError(error: unknown): Partial<State> {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  static override getDerivedStateFromProps({ of }: Props, before: State): State {
    const isSame = of.length === before.of.length && of.every((one, k) => one === before.of[k]);
    return { of, error: isSame ? before.error : null };
  }

  override componentDidCatch(error: unknown): void {
    // For whoever looks for the cause; the page says it in words.
    console.error(error);
  }

  override render() {
    const { error } = this.state;
    const { isPage, children } = this.props;
    if (!error) return children;
    return (
      <div class="card broken">
        {isPage && <h1>{t('fail.title')}</h1>}
        <Failure error={error} retry={() => this.setState({ error: null })} />
      </div>
    );
  }
}
