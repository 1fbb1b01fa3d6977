// Makes screenshots small: a PNG of true colours becomes one of at most 256, which a page of flat
// surfaces hardly has more of.

import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const COLORS_MAX = 256;

function chunks(png) {
  const found = [];
  for (let at = 8; at < png.length; ) {
    const size = png.readUInt32BE(at);
    found.push([png.toString('latin1', at + 4, at + 8), png.subarray(at + 8, at + 8 + size)]);
    at += size + 12;
  }
  return found;
}

function paeth(a, b, c) {
  const [x, y, z] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return x <= y && x <= z ? a : y <= z ? b : c;
}

/** Returns the pixels of an 8-bit PNG that is not interlaced, as browsers make them. */
function decode(png) {
  const list = chunks(png);
  const head = list.find(([name]) => name === 'IHDR')[1];
  const [width, height] = [head.readUInt32BE(0), head.readUInt32BE(4)];
  const channels = { 2: 3, 6: 4 }[head[9]];
  if (head[8] !== 8 || !channels || head[12] !== 0) throw new Error('not such a PNG');
  const raw = inflateSync(Buffer.concat(list.filter(([name]) => name === 'IDAT').map(([, data]) => data)));
  const stride = width * channels;
  const pixels = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y += 1) {
    const filter = raw[y * (stride + 1)];
    for (let x = 0; x < stride; x += 1) {
      const at = y * stride + x;
      const left = x >= channels ? pixels[at - channels] : 0;
      const up = y > 0 ? pixels[at - stride] : 0;
      const corner = y > 0 && x >= channels ? pixels[at - stride - channels] : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      pixels[at] = raw[y * (stride + 1) + 1 + x] + guess;
    }
  }
  return { width, height, channels, pixels };
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), data]);
  const [size, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  size.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32 ? crc32(body) : ownCrc(body));
  return Buffer.concat([size, body, sum]);
}

/** Older versions of Node have no crc32. */
function ownCrc(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** Returns the same picture with the colours that are used most, the others as the nearest. */
export function small(png) {
  const { width, height, channels, pixels } = decode(png);
  const seen = new Map();
  const color = (at) => (pixels[at] << 16) | (pixels[at + 1] << 8) | pixels[at + 2];
  for (let at = 0; at < pixels.length; at += channels) seen.set(color(at), (seen.get(color(at)) ?? 0) + 1);
  const byUse = [...seen].sort((a, b) => b[1] - a[1]).map(([one]) => one);
  const kept = [];
  const far = (a, b) => Math.abs((a >> 16) - (b >> 16)) + Math.abs(((a >> 8) & 255) - ((b >> 8) & 255)) + Math.abs((a & 255) - (b & 255));
  // What is hardly different from a colour that is there needs none of its own.
  for (const near of [12, 0]) {
    for (const one of byUse) {
      if (kept.length < COLORS_MAX && !kept.includes(one) && kept.every((other) => far(one, other) > near)) kept.push(one);
    }
  }
  const index = new Map(byUse.map((one) => [one,
    kept.reduce((best, other, at) => (far(one, other) < far(one, kept[best]) ? at : best), 0)]));
  const raw = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) raw[y * (width + 1) + 1 + x] = index.get(color((y * width + x) * channels));
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const table = Buffer.from(kept.flatMap((one) => [one >> 16, (one >> 8) & 255, one & 255]));
  return Buffer.concat([SIGNATURE, chunk('IHDR', head), chunk('PLTE', table), chunk('IDAT', deflateSync(raw, { level: 9 })), chunk('IEND', Buffer.alloc(0))]);
}
