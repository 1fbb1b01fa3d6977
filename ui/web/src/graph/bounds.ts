//! What a drawn graph takes, its lines included: a line may run beyond the outermost service, and
//! its label lies above it.

interface Point { x: number; y: number }

interface Box extends Point { width: number; height: number }

interface Bounds {
  width: number;
  height: number;
  /** What all coordinates are moved by, so that they begin behind the margin. */
  move: Point;
}

/** Returns the bounds of boxes, by their middles, and of lines, with a margin on all sides. */
export function boundsOf(boxes: Box[], lines: Point[][], margin: number): Bounds {
  const least = { x: Infinity, y: Infinity };
  const most = { x: -Infinity, y: -Infinity };
  const take = (x: number, y: number, halfWidth = 0, halfHeight = 0) => {
    [least.x, least.y] = [Math.min(least.x, x - halfWidth), Math.min(least.y, y - halfHeight)];
    [most.x, most.y] = [Math.max(most.x, x + halfWidth), Math.max(most.y, y + halfHeight)];
  };
  for (const box of boxes) take(box.x, box.y, box.width / 2, box.height / 2);
  for (const line of lines) for (const point of line) take(point.x, point.y);
  if (least.x > most.x) return { width: 0, height: 0, move: { x: 0, y: 0 } };
  return {
    width: most.x - least.x + 2 * margin,
    height: most.y - least.y + 2 * margin,
    move: { x: margin - least.x, y: margin - least.y },
  };
}
