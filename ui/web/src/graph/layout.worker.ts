//! The thread that lays out graphs, left to right, so that the page never waits for it.

import dagre from '@dagrejs/dagre';

export interface LayoutAsk {
  id: number;
  nodes: { id: string; width: number; height: number }[];
  edges: { from: string; to: string }[];
}

export interface LayoutAnswer {
  id: number;
  width: number;
  height: number;
  nodes: Record<string, { x: number; y: number }>;
  /** Points of each edge, in the order of the question. */
  edges: { x: number; y: number }[][];
}

addEventListener('message', (event: MessageEvent<LayoutAsk>) => {
  const { id, nodes, edges } = event.data;
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: 'LR', nodesep: 22, ranksep: 90, marginx: 24, marginy: 24 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: node.width, height: node.height });
  edges.forEach((edge, k) => {
    if (edge.from !== edge.to) graph.setEdge(edge.from, edge.to, {}, String(k));
  });
  dagre.layout(graph);
  const placed: LayoutAnswer['nodes'] = {};
  for (const node of nodes) {
    const { x, y } = graph.node(node.id) as { x: number; y: number };
    placed[node.id] = { x, y };
  }
  const size = graph.graph() as { width?: number; height?: number };
  const answer: LayoutAnswer = {
    id, width: size.width ?? 0, height: size.height ?? 0, nodes: placed,
    edges: edges.map((edge, k) => {
      if (edge.from === edge.to) return [];
      const found = graph.edge(edge.from, edge.to, String(k)) as
        { points?: { x: number; y: number }[] } | undefined;
      return found?.points ?? [];
    }),
  };
  postMessage(answer);
});
