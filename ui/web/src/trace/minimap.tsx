//! The whole trace on 56 pixels: where spans lie, where they failed, the critical path; and which
//! part of its time is shown, which can be moved and drawn anew.

import { useEffect, useRef, useState } from 'preact/hooks';
import { canvasColors, palette } from '../core/colors';
import { t } from '../core/i18n';
import { sheetOf } from '../search/plots';
import { FAILED, PLACEHOLDER, type Columns } from './model';
import { columns, critical, root, showCritical, slots, view } from './state';
import { zoomTime } from './zoom';

const HANDLE_PX = 6;

function rgb(color: string): number {
  const value = Number.parseInt(color.slice(1), 16);
  // Pixels are stored as ABGR on every machine that runs a browser.
  return (0xff000000 | ((value & 0xff) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

/** Paints spans as pixels: rows are depth-first order, each pixel is written once. */
export function paint(all: Columns, range: [number, number], size: [number, number], ink: {
  colors: number[];
  slots: Uint8Array;
  failed: number;
}): Uint32Array<ArrayBuffer> {
  const [width, height] = size;
  const [first, stop] = range;
  const pixels = new Uint32Array(width * height);
  const next = new Int32Array(width + 1);
  let line = -1;
  const scale = width / all.total;
  const lines = (stop - first) / height;
  for (let i = first; i < stop; i += 1) {
    const y = Math.min(height - 1, Math.floor((i - first) / Math.max(1e-9, lines)));
    if (y !== line) {
      line = y;
      for (let x = 0; x <= width; x += 1) next[x] = x;
    }
    if (all.flags[i] & PLACEHOLDER) continue;
    const from = Math.max(0, Math.min(width - 1, Math.floor(all.start[i] * scale)));
    const to = Math.max(from + 1, Math.min(width, Math.ceil((all.start[i] + all.dur[i]) * scale)));
    const color = all.flags[i] & FAILED ? ink.failed : ink.colors[ink.slots[all.service[i]]];
    // The search for the next free pixel shortens its own way for the spans that follow.
    let x = from;
    while (next[x] !== x) x = next[x];
    while (x < to) {
      pixels[y * width + x] = color;
      next[x] = x + 1;
      x += 1;
      while (next[x] !== x) x = next[x];
    }
    if (from < to) next[from] = Math.max(next[from], Math.min(x, width));
  }
  // Few spans make thick lines rather than a strip at the top.
  const tall = Math.min(height, stop - first);
  if (tall < height) spread(pixels, width, height, stop - first);
  return pixels;
}

function spread(pixels: Uint32Array, width: number, height: number, count: number): void {
  const lines = Array.from({ length: count }, (_, k) => {
    const y = Math.min(height - 1, Math.floor((k * height) / count));
    return pixels.slice(y * width, (y + 1) * width);
  });
  const thick = Math.max(1, Math.min(5, Math.floor(height / count) - 1));
  pixels.fill(0);
  lines.forEach((line, k) => {
    const from = Math.floor((k * height) / count);
    for (let y = from; y < Math.min(height, from + thick); y += 1) pixels.set(line, y * width);
  });
}

/** The spans as they were painted last, and from what. */
type Painted = { from: readonly unknown[]; image: OffscreenCanvas };

/** Paints the spans, unless nothing changed that shows: zooming only moves what lies over them. */
function painted(all: Columns, size: [number, number], last: Painted | null): Painted {
  const colors = canvasColors();
  const at = root.peek();
  const from = [all, at, colors, slots.peek(), ...size];
  if (last && from.every((value, k) => value === last.from[k])) return last;
  const range: [number, number] = at === null ? [0, all.count] : [at, all.end[at]];
  const pixels = paint(all, range, size, {
    colors: palette().map(rgb), slots: slots.peek(), failed: rgb(colors.error),
  });
  const image = new OffscreenCanvas(size[0], size[1]);
  const data = new ImageData(new Uint8ClampedArray(pixels.buffer), size[0], size[1]);
  image.getContext('2d')?.putImageData(data, 0, 0);
  return { from, image };
}

function draw(canvas: HTMLCanvasElement, all: Columns, kept: { current: Painted | null }): void {
  const sheet = sheetOf(canvas);
  if (!sheet || sheet.width === 0) return;
  const { ink, width, height } = sheet;
  const colors = canvasColors();
  const size: [number, number] = [Math.floor(width), height - 8];
  kept.current = painted(all, size, kept.current);
  ink.imageSmoothingEnabled = false;
  ink.drawImage(kept.current.image, 0, 2, width, size[1]);
  if (showCritical.peek()) drawCritical(ink, all, width, height);
  const { from, to } = view.peek();
  const [left, right] = [(from / all.total) * width, (to / all.total) * width];
  if (left <= 0.5 && right >= width - 0.5) return;
  ink.fillStyle = colors.shade;
  ink.fillRect(0, 0, left, height);
  ink.fillRect(right, 0, width - right, height);
  ink.fillStyle = colors.accent;
  for (const x of [left, right]) {
    ink.fillRect(x - 1, 0, 2, height);
    ink.fillRect(x - HANDLE_PX / 2, height / 2 - 8, HANDLE_PX, 16);
  }
}

function drawCritical(ink: CanvasRenderingContext2D, all: Columns, width: number, height: number): void {
  const path = critical.peek();
  if (!path) return;
  ink.fillStyle = canvasColors().critical;
  for (let k = 0; k < path.span.length; k += 1) {
    const x = (path.from[k] / all.total) * width;
    ink.fillRect(x, height - 4, Math.max(0.5, ((path.to[k] - path.from[k]) / all.total) * width), 3);
  }
}

type Grip = { kind: 'new' | 'left' | 'right' | 'move'; us: number; from: number; to: number };

export function Minimap() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const grip = useRef<Grip | null>(null);
  const kept = useRef<Painted | null>(null);
  const [width, setWidth] = useState(0);
  const all = columns.value;
  const colors = canvasColors();
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const watch = new ResizeObserver(() => setWidth(element.clientWidth));
    watch.observe(element);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    if (canvas.current && all) draw(canvas.current, all, kept);
  }, [all, colors, width, view.value, root.value, showCritical.value]);
  if (!all) return null;
  const timeOf = (event: PointerEvent) => {
    const rect = canvas.current!.getBoundingClientRect();
    return Math.max(0, Math.min(1, (event.clientX - rect.left) / rect.width)) * all.total;
  };
  const gripAt = (us: number): Grip => {
    const { from, to } = view.peek();
    const near = (HANDLE_PX * 1.5 * all.total) / Math.max(1, width);
    const zoomed = from > 0 || to < all.total;
    const kind = !zoomed ? 'new'
      : Math.abs(us - from) < near ? 'left'
      : Math.abs(us - to) < near ? 'right'
      : us > from && us < to ? 'move' : 'new';
    return { kind, us, from, to };
  };
  const drag = (event: PointerEvent) => {
    const held = grip.current;
    const us = timeOf(event);
    if (!held) return;
    if (held.kind === 'left') zoomTime(Math.min(us, held.to), Math.max(us, held.to));
    else if (held.kind === 'right') zoomTime(Math.min(held.from, us), Math.max(held.from, us));
    else if (held.kind === 'move') zoomTime(held.from + us - held.us, held.to + us - held.us);
    else if (Math.abs(us - held.us) * width > 4 * all.total) {
      zoomTime(Math.min(us, held.us), Math.max(us, held.us));
    }
  };
  return (
    <div class="minimap" title={t('trace.minimapHint')}>
      <canvas
        ref={canvas} aria-hidden="true"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          grip.current = gripAt(timeOf(event));
        }}
        onPointerMove={drag}
        onPointerUp={() => {
          grip.current = null;
        }}
        onDblClick={() => zoomTime(0, all.total)}
      />
    </div>
  );
}
