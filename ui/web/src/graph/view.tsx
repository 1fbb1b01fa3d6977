//! A graph of services, drawn from the layout that a thread makes. It can be moved, zoomed and
//! walked through with the keyboard; a table with the same facts is beside it.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { palette, slotOf } from '../core/colors';
import { count, isolated, percent } from '../core/format';
import { t } from '../core/i18n';
import { language } from '../core/prefs';
import { Icon } from '../parts/icons';
import { Failure, PartError, Waiting } from '../parts/notice';
import { NODE_HEIGHT, useLayout } from './layout';
import type { LayoutAnswer } from './layout.worker';
import { sameEdge, servicesOf, sumsOf, type Link } from './links';

export type Picked = { node: string } | { edge: Link } | null;

interface Props {
  links: Link[];
  /** The links that figures of services are of, where that is more than is shown. */
  all?: Link[];
  /** All there are, where that is more than the links name. */
  services?: string[];
  label: string;
  /** From this share of failed calls on an edge is a bad one. */
  lowErrorRate: number;
  picked: Picked;
  pick: (picked: Picked) => void;
  /** What a node says below its name. */
  note?: (name: string) => string;
}

const NAME_FONT = '600 13px';

let ruler: CanvasRenderingContext2D | null = null;

/** Measures a text in the page's font. */
function lengthOf(text: string, font: string): number {
  ruler ??= document.createElement('canvas').getContext('2d');
  if (!ruler) return text.length * 9;
  ruler.font = `${font} ${getComputedStyle(document.body).fontFamily}`;
  return ruler.measureText(text).width;
}

/** Returns as much of a name as fits. */
function cut(name: string, px: number): string {
  const letters = [...name];
  let left = letters.length;
  const text = () => (left === letters.length ? name : `${letters.slice(0, left).join('')}…`);
  while (left > 1 && lengthOf(text(), NAME_FONT) > px) left -= 1;
  return text();
}

function widthOf(name: string, text: string): number {
  const wide = Math.max(lengthOf(name, NAME_FONT), lengthOf(text, '11px'));
  return Math.min(260, Math.max(96, Math.ceil(wide) + 44));
}

interface Camera {
  x: number;
  y: number;
  zoom: number;
}

/** On boxes narrower than this names are read first, and the whole is a button away. */
const NARROW_PX = 600;
const READABLE_ZOOM = 0.7;

/** Returns a camera that begins where the calls do, when the whole would be too small to read. */
function readable(whole: Camera, layout: LayoutAnswer, box: HTMLElement | null): Camera {
  if (!box || box.clientWidth >= NARROW_PX || whole.zoom >= READABLE_ZOOM) return whole;
  const zoom = READABLE_ZOOM;
  const first = Object.values(layout.nodes).reduce((a, b) => (b.x < a.x ? b : a));
  return { zoom, x: 0, y: box.clientHeight / 2 - first.y * zoom };
}

export function GraphView(props: Props) {
  const { links: asked, all, services, label, lowErrorRate, picked, pick, note } = props;
  const sums = useMemo(() => sumsOf(all ?? asked), [all, asked]);
  const textOf = (name: string) => (note ? note(name) : nodeText(sums.get(name)));
  const wanted = useMemo(
    () => new Map((services ?? servicesOf(asked)).map((name) =>
      [name, widthOf(name, textOf(name))])),
    [asked, all, services, language.value],
  );
  const { drawn, failed, again } = useLayout(asked, wanted);
  const layout = drawn?.layout;
  const box = useRef<HTMLDivElement>(null);
  const [camera, setCamera] = useState<Camera>({ x: 0, y: 0, zoom: 1 });
  const held = useRef<{ x: number; y: number; camera: Camera; moved: boolean } | null>(null);
  const fit = () => {
    if (!layout || !box.current) return;
    const { clientWidth: w, clientHeight: h } = box.current;
    const zoom = Math.min(1.25, w / layout.width, h / layout.height);
    setCamera({ zoom, x: (w - layout.width * zoom) / 2, y: (h - layout.height * zoom) / 2 });
  };
  useEffect(() => {
    fit();
    if (layout && box.current) setCamera((whole) => readable(whole, layout, box.current));
  }, [layout]);
  const zoomBy = (factor: number, at?: { x: number; y: number }) => {
    const rect = box.current?.getBoundingClientRect();
    const point = at ?? { x: (rect?.width ?? 0) / 2, y: (rect?.height ?? 0) / 2 };
    setCamera((now) => {
      const zoom = Math.max(0.1, Math.min(4, now.zoom * factor));
      const share = zoom / now.zoom;
      return { zoom, x: point.x - (point.x - now.x) * share, y: point.y - (point.y - now.y) * share };
    });
  };
  if (failed) return <Failure error={new PartError()} retry={again} />;
  if (!drawn || !layout) return <Waiting />;
  const { links, widths } = drawn;
  const most = mostCalls(links);
  const sideOf = (name: string): Side => ({
    ...layout.nodes[name], width: widths.get(name) ?? 96,
  });
  return (
    <div
      class="graph" ref={box} aria-busy={links !== asked}
      onPointerDown={(event) => {
        if (event.button !== 0) return;
        held.current = { x: event.clientX, y: event.clientY, camera, moved: false };
      }}
      onPointerMove={(event) => {
        const from = held.current;
        if (!from) return;
        const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
        if (Math.abs(dx) + Math.abs(dy) > 4) from.moved = true;
        if (from.moved) setCamera({ ...from.camera, x: from.camera.x + dx, y: from.camera.y + dy });
      }}
      onPointerUp={(event) => {
        const onGround = !(event.target as Element).closest('[data-pick]');
        if (held.current && !held.current.moved && onGround) pick(null);
        held.current = null;
      }}
      onPointerLeave={() => {
        held.current = null;
      }}
      onWheel={(event) => {
        event.preventDefault();
        const rect = event.currentTarget.getBoundingClientRect();
        const at = { x: event.clientX - rect.left, y: event.clientY - rect.top };
        zoomBy(event.deltaY > 0 ? 0.87 : 1.15, at);
      }}
    >
      <svg role="group" aria-label={label} width="100%" height="100%">
        <defs>
          {(['plain', 'bad', 'picked'] as const).map((kind) => (
            <marker
              key={kind} id={`arrow-${kind}`} class={`arrow ${kind}`} viewBox="0 0 10 10" refX="9" refY="5"
              markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"
            >
              <path d="M0 1 9 5 0 9Z" />
            </marker>
          ))}
        </defs>
        <g transform={`translate(${camera.x} ${camera.y}) scale(${camera.zoom})`}>
          {links.map((link, k) => (
            <Edge
              key={`${link.parent}\n${link.child}`} link={link} points={layout.edges[k]}
              from={sideOf(link.parent)} to={sideOf(link.child)} lowErrorRate={lowErrorRate}
              most={most} picked={picked} pick={pick}
            />
          ))}
          {/* Above all lines: what crosses a number would make it another one. */}
          <g class="edge-texts" aria-hidden="true">
            {links.map((link, k) => (
              <EdgeText
                key={`${link.parent}\n${link.child}`} link={link} points={layout.edges[k]}
                from={sideOf(link.parent)} to={sideOf(link.child)} picked={picked}
              />
            ))}
          </g>
          {Object.entries(layout.nodes).map(([name, at]) => (
            <Node
              key={name} name={name} at={at} errors={sums.get(name)?.errors ?? 0}
              text={textOf(name)} width={widths.get(name) ?? 96}
              picked={picked} pick={pick}
            />
          ))}
        </g>
      </svg>
      <div class="graph-tools">
        <button type="button" class="icon-button" aria-label={t('keys.zoomIn')} onClick={() => zoomBy(1.3)}>
          <Icon name="plus" />
        </button>
        <button type="button" class="icon-button" aria-label={t('keys.zoomOut')} onClick={() => zoomBy(0.77)}>
          <Icon name="minus" />
        </button>
        <button type="button" class="icon-button" aria-label={t('keys.fitAll')} onClick={fit}>
          <Icon name="target" />
        </button>
      </div>
    </div>
  );
}

function mostCalls(links: Link[]): number {
  return links.reduce((max, link) => Math.max(max, link.callCount), 1);
}

function nodeText(sum?: { calls: number; errors: number; out: number }): string {
  if (!sum) return '';
  if (sum.calls === 0) return t('graph.out', { n: sum.out, count: count(sum.out) });
  const rate = sum.errors > 0 ? ` · ${percent(sum.errors / sum.calls)} ⚠` : '';
  return t('graph.in', { n: sum.calls, count: count(sum.calls) }) + rate;
}

function press(event: KeyboardEvent, run: () => void): void {
  if (event.key !== 'Enter' && event.key !== ' ') return;
  event.preventDefault();
  event.stopPropagation();
  run();
}

interface NodeProps {
  name: string;
  at: { x: number; y: number };
  errors: number;
  text: string;
  width: number;
  picked: Picked;
  pick: (picked: Picked) => void;
}

function Node({ name, at, errors, text, width, picked, pick }: NodeProps) {
  const isPicked = !!picked && 'node' in picked && picked.node === name;
  const shown = cut(name, width - 34);
  const classes = ['node', isPicked ? 'picked' : '', errors > 0 ? 'bad' : ''].join(' ');
  return (
    <g
      class={classes} transform={`translate(${at.x - width / 2} ${at.y - NODE_HEIGHT / 2})`}
      role="button" tabindex={0} data-pick aria-pressed={isPicked} aria-label={`${name} ${text}`}
      onClick={() => pick({ node: name })} onKeyDown={(event) => press(event, () => pick({ node: name }))}
    >
      {shown !== name && <title>{name}</title>}
      <rect width={width} height={NODE_HEIGHT} rx="8" />
      <circle cx="15" cy="16" r="5" fill={palette()[slotOf(name)]} />
      <text>
        <tspan x="27" y="20" class="node-name">{shown}</tspan>{' '}
        <tspan x="27" y="35" class="node-note">{text}</tspan>
      </text>
    </g>
  );
}

/** Where the words of an edge stand: on its middle point, or between the two that it has. */
function middleOf(points: Point[]): Point {
  const at = points.length >> 1;
  if (points.length % 2 === 1 || points.length === 0) return points[at];
  const [a, b] = [points[at - 1], points[at]];
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}

interface EdgeProps {
  link: Link;
  points: Point[];
  from: Side;
  to: Side;
  lowErrorRate: number;
  most: number;
  picked: Picked;
  pick: (picked: Picked) => void;
}

interface Point {
  x: number;
  y: number;
}

/** Moves the ends of an edge to the middles of the sides that face each other. */
function anchored(points: Point[], from: Side, to: Side): Point[] {
  if (points.length < 2) return points;
  const way = to.x >= from.x ? 1 : -1;
  return [
    { x: from.x + (way * from.width) / 2, y: from.y },
    ...points.slice(1, -1),
    { x: to.x - way * (to.width / 2 + 1), y: to.y },
  ];
}

/** A curve that leaves and reaches every point level. */
function pathOf(points: Point[]): string {
  let path = `M${points[0].x} ${points[0].y}`;
  for (let k = 1; k < points.length; k += 1) {
    const [a, b] = [points[k - 1], points[k]];
    const half = (b.x - a.x) / 2;
    path += `C${a.x + half} ${a.y} ${b.x - half} ${b.y} ${b.x} ${b.y}`;
  }
  return path;
}

interface Side extends Point {
  width: number;
}

/** Whether an edge is what was picked, and whether it touches that. */
function standing(link: Link, picked: Picked): { isPicked: boolean; touches: boolean } {
  const isPicked = !!picked && 'edge' in picked && sameEdge(picked.edge, link);
  const touches = !picked || isPicked ||
    ('node' in picked && (picked.node === link.parent || picked.node === link.child));
  return { isPicked, touches };
}

function namesOf({ parent, child }: Link): { parent: string; child: string } {
  return { parent: isolated(parent), child: isolated(child) };
}

function edgeText(link: Link): string {
  const failed = link.errorCount ?? 0;
  const rate = failed / Math.max(1, link.callCount);
  return failed > 0 ? `${count(link.callCount)} · ${percent(rate)} ⚠` : count(link.callCount);
}

type EdgeTextProps = Pick<EdgeProps, 'link' | 'points' | 'from' | 'to' | 'picked'>;

function EdgeText({ link, from, to, picked, ...rest }: EdgeTextProps) {
  const points = anchored(rest.points, from, to);
  const isLoop = link.parent === link.child;
  const middle = isLoop ? { x: from.x, y: from.y - 52 } : middleOf(points);
  if (!middle) return null;
  const bad = link.errorCount ? ' bad' : '';
  const faint = standing(link, picked).touches ? '' : ' faint';
  return <text x={middle.x} y={middle.y - 5} class={`edge-text${bad}${faint}`}>{edgeText(link)}</text>;
}

function Edge({ link, from, to, lowErrorRate, most, picked, pick, ...rest }: EdgeProps) {
  const self = link.parent === link.child;
  const { x, y } = from;
  const points = anchored(rest.points, from, to);
  const loop = `M${x - 14} ${y - 22}C${x - 30} ${y - 58} ${x + 30} ${y - 58} ${x + 14} ${y - 22}`;
  const path = self ? loop : points.length > 0 ? pathOf(points) : '';
  const failed = link.errorCount ?? 0;
  const rate = failed / Math.max(1, link.callCount);
  const { isPicked, touches } = standing(link, picked);
  const kind = isPicked ? 'picked' : failed > 0 ? 'bad' : 'plain';
  const width = 1.25 + 3 * Math.sqrt(link.callCount / most);
  return (
    <g
      class={`edge ${kind}${touches ? '' : ' faint'}${rate >= lowErrorRate ? ' worst' : ''}`}
      role="button" tabindex={0} data-pick aria-pressed={isPicked}
      aria-label={t('graph.edge', { ...namesOf(link), calls: edgeText(link) })}
      onClick={() => pick({ edge: link })} onKeyDown={(event) => press(event, () => pick({ edge: link }))}
    >
      <path class="edge-ground" d={path} />
      <path class="edge-line" d={path} stroke-width={width} marker-end={`url(#arrow-${kind})`} />
    </g>
  );
}
