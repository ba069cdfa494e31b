/** A studio out of focus: window light on the left, warm lamps on the right. */

import { random } from './geometry.js';
import { blur, num, stop } from './paint.js';

export function backdropDefs(): string {
  return `<linearGradient id="bg-wall" x1="0" y1="0" x2="1" y2=".25">${stop(0, '#587a80')}${stop(0.3, '#3e5f68')}${stop(0.58, '#33484f')}${stop(0.8, '#4a4541')}${stop(1, '#5d4a3c')}</linearGradient>
<radialGradient id="bg-halo">${stop(0, '#b8d2d2', 0.62)}${stop(0.45, '#83a6aa', 0.3)}${stop(1, '#83a6aa', 0)}</radialGradient>
<radialGradient id="bg-lamp">${stop(0, '#ffe2b0', 0.9)}${stop(0.25, '#ffc880', 0.5)}${stop(1, '#ff9d4a', 0)}</radialGradient>
<linearGradient id="bg-window">${stop(0, '#e4f3f0', 0.1)}${stop(0.16, '#e4f3f0', 0.42)}${stop(0.34, '#e4f3f0', 0.66)}${stop(0.5, '#d6eae8', 0.2)}${stop(0.6, '#d6eae8', 0.16)}${stop(0.74, '#d6eae8', 0.44)}${stop(1, '#d6eae8', 0)}</linearGradient>
<linearGradient id="bg-floor" x2="0" y2="1">${stop(0, '#131d21', 0)}${stop(0.5, '#131d21', 0.5)}${stop(1, '#131d21', 0.66)}</linearGradient>
<radialGradient id="bg-edge" cx=".5" cy=".46" r=".5">${stop(0.45, '#05090c', 0)}${stop(1, '#05090c', 0.62)}</radialGradient>`;
}

/** The room behind the presenter. */
export function backdropSvg(): string {
  const r = random(2024);
  let discs = '';
  for (let i = 0; i < 26; i++) {
    const right = i < 18,
      x = right ? r.range(230, 620) : r.range(-630, -330),
      y = r.range(-220, 120),
      R = r.range(10, 30);
    const colour = right
      ? r.pick(['#ffc57a', '#ffdca6', '#ff9f5c', '#f7b06a'])
      : r.pick(['#cfe9ea', '#a9d3d8', '#e9f4ee']);
    const a = r.range(0.07, right ? 0.3 : 0.16);
    discs += `<circle cx="${num(x)}" cy="${num(y)}" r="${num(R)}" fill="${colour}" fill-opacity="${num(a)}" stroke="${colour}" stroke-width="1.6" stroke-opacity="${num(a * 0.9)}"/>`;
  }
  let leaves = '';
  for (let i = 0; i < 34; i++) {
    const a = r.range(-2.7, -0.4),
      l = r.range(60, 190),
      x = -560 + r.range(-36, 36),
      y = 470 - r.range(0, 60),
      w = r.range(9, 20);
    const [tx, ty] = [x + Math.cos(a) * l, y + Math.sin(a) * l * 1.15],
      [nx, ny] = [-Math.sin(a) * w, Math.cos(a) * w];
    leaves += `<path d="M${num(x)} ${num(y)}Q${num((x + tx) / 2 + nx)} ${num((y + ty) / 2 + ny)} ${num(tx)} ${num(ty)} ${num((x + tx) / 2 - nx)} ${num((y + ty) / 2 - ny)} ${num(x)} ${num(y)}z" fill="${r.pick(['#1d3a2e', '#2f5a43', '#47745a', '#6d9474', '#24493a'])}" fill-opacity="${num(r.range(0.45, 0.8))}"/>`;
  }
  let books = '';
  for (let row = 0; row < 3; row++)
    for (let x = 300; x < 640;) {
      const w = r.range(8, 24),
        h = r.range(50, 82),
        base = -70 + row * 130;
      if (r() < 0.82)
        books += `<rect x="${num(x)}" y="${num(base - h)}" width="${num(w)}" height="${num(h)}" fill="${r.pick(['#7d4f36', '#2f5058', '#b98a58', '#8a3f35', '#50685c', '#cfb089', '#30383c'])}" fill-opacity="${num(r.range(0.35, 0.7))}"/>`;
      x += w + r.range(0, 5);
    }
  return `<g id="background"><rect x="-1000" y="-440" width="2000" height="1360" fill="url(#bg-wall)"/>
<rect x="-700" y="-440" width="420" height="1360" fill="url(#bg-window)"/><rect x="-1000" y="180" width="2000" height="740" fill="url(#bg-floor)"/>
<g ${blur(18)}><rect x="286" y="-66" width="380" height="12" fill="#2a1c14" fill-opacity=".8"/><rect x="286" y="64" width="380" height="12" fill="#2a1c14" fill-opacity=".8"/><rect x="286" y="194" width="380" height="12" fill="#2a1c14" fill-opacity=".8"/></g><g ${blur(12)}>${books}</g>
<circle cx="500" cy="-96" r="240" fill="url(#bg-lamp)" fill-opacity=".8"/><ellipse cx="500" cy="-104" rx="34" ry="26" fill="#fff1d2" ${blur(12)}/>
<g ${blur(8)}>${leaves}</g>
<g ${blur(1.5)}>${discs}</g>
<ellipse cx="-10" cy="-40" rx="400" ry="380" fill="url(#bg-halo)"/>
<rect x="-1000" y="-440" width="2000" height="1360" fill="url(#bg-edge)"/></g>`;
}
