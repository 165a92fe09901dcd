// An error boundary that shows what it caught: the code, else the message.

import { Component, type ReactNode } from 'react';

export class Boundary extends Component<{ children: ReactNode }, { caught?: unknown }> {
  override state: { caught?: unknown } = {};

  static getDerivedStateFromError(caught: unknown): { caught: unknown } {
    return { caught };
  }

  override render(): ReactNode {
    const { caught } = this.state;
    if (caught === undefined) return this.props.children;
    const code = caught instanceof Error && 'code' in caught ? String(caught.code) : undefined;
    return <p data-testid="caught">{code ?? (caught instanceof Error ? caught.message : String(caught))}</p>;
  }
}
