//! The thread that lays out graphs, left to right, so that the page never waits for it.

import dagre from '@dagrejs/dagre';
import { boundsOf } from './bounds';

/** Room around the graph, in which labels of the outermost lines have their place. */
const MARGIN = 24;

interface Point { x: number; y: number }

export interface LayoutAsk {
  id: number;
  nodes: { id: string; width: number; height: number }[];
  edges: { from: string; to: string }[];
}

export interface LayoutAnswer {
  id: number;
  width: number;
  height: number;
  nodes: Record<string, Point>;
  /** Points of each edge, in the order of the question. */
  edges: Point[][];
}

addEventListener('message', (event: MessageEvent<LayoutAsk>) => {
  const { id, nodes, edges } = event.data;
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: 'LR', nodesep: 22, ranksep: 90 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: node.width, height: node.height });
  edges.forEach((edge, k) => {
    if (edge.from !== edge.to) graph.setEdge(edge.from, edge.to, {}, String(k));
  });
  dagre.layout(graph);
  const boxes = nodes.map((node) => ({ ...node, ...(graph.node(node.id) as Point) }));
  const lines = edges.map((edge, k) => {
    if (edge.from === edge.to) return [];
    const found = graph.edge(edge.from, edge.to, String(k)) as { points?: Point[] } | undefined;
    return found?.points ?? [];
  });
  // Dagre's own size leaves out the lines.
  const { width, height, move } = boundsOf(boxes, lines, MARGIN);
  const moved = ({ x, y }: Point) => ({ x: x + move.x, y: y + move.y });
  const answer: LayoutAnswer = {
    id, width, height,
    nodes: Object.fromEntries(boxes.map((box) => [box.id, moved(box)])),
    edges: lines.map((line) => line.map(moved)),
  };
  postMessage(answer);
});
