// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The last values of something, as a line.

const kSamples = 60; // of a plot
const kPlotsMax = 400;

const kSvg = 'http://www.w3.org/2000/svg';

/** The last values of something, as a line. The value itself stands beside it as text. */
class Plot {
  constructor() {
    this.values = [];
  }
  push(value) {
    this.values.push(Number.isFinite(value) ? value : 0);
    if (this.values.length > kSamples) this.values.shift();
  }
  static node() {
    const svg = document.createElementNS(kSvg, 'svg');
    svg.setAttribute('class', 'plot');
    svg.setAttribute('width', '72');
    svg.setAttribute('height', '16');
    svg.setAttribute('viewBox', '0 0 ' + (kSamples - 1) + ' 16');
    svg.setAttribute('preserveAspectRatio', 'none');
    svg.setAttribute('aria-hidden', 'true');
    svg.append(document.createElementNS(kSvg, 'polyline'), document.createElementNS(kSvg, 'path'));
    svg.lastChild.setAttribute('d', 'M0 15.5H' + (kSamples - 1));
    return svg;
  }
  draw(svg) {
    const top = Math.max(...this.values, 1e-9);
    const first = kSamples - this.values.length;
    const points = this.values.map((value, index) => (first + index) + ',' + (15 - 14 * value / top).toFixed(1));
    svg.firstChild.setAttribute('points', points.join(' '));
  }
}

/** Plots by name, the least recently drawn forgotten first. */
class Plots {
  constructor() {
    this.all = new Map();
  }
  of(name) {
    const plot = this.all.get(name) || new Plot();
    this.all.delete(name);
    this.all.set(name, plot);
    if (this.all.size > kPlotsMax) this.all.delete(this.all.keys().next().value);
    return plot;
  }
}
