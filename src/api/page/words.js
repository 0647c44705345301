// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Words and numbers as people read them.

const kWhole = new Intl.NumberFormat('en');
const count = (value) => kWhole.format(value || 0);
const plural = (value, one, many) => count(value) + ' ' + (value === 1 ? one : many);

function micros(us) {
  if (us === undefined || us === null) return '';
  if (us < 1000) return Math.round(us) + ' µs';
  if (us < 1e6) return (us / 1e3).toPrecision(3) + ' ms';
  return (us / 1e6).toFixed(us < 1e7 ? 2 : 1) + ' s';
}

function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return seconds + ' s';
  const minutes = Math.floor(seconds / 60);
  const rest = (value, unit) => (value ? ' ' + value + unit : '');
  if (minutes < 60) return minutes + ' min' + rest(seconds % 60, ' s');
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return hours + ' h' + rest(minutes % 60, ' min');
  return Math.floor(hours / 24) + ' days';
}

let clockSkew = 0; // the master's clock minus ours, by its Date header

function ago(text) {
  const at = Date.parse(text);
  if (!Number.isFinite(at)) return '';
  const ms = Date.now() + clockSkew - at;
  return ms < 1500 ? 'just now' : span(ms) + ' ago';
}

function until(text) {
  const ms = Date.parse(text) - Date.now() - clockSkew;
  return ms > 500 ? 'in ' + span(ms) : 'now';
}

const rate = (value) => {
  if (!Number.isFinite(value) || value <= 0) return '0/s';
  return (value < 10 ? value.toFixed(1) : count(Math.round(value))) + '/s';
};

const words = (name) => String(name).replace(/_/g, ' ');

const kStands = ['no_agents', 'store_full', 'agent_not_reading', 'network_stalled'];

function toneOf(verdict) {
  if (verdict === 'healthy') return 'good';
  return kStands.includes(verdict) ? 'bad' : 'warn';
}

function bytes(value) {
  if (value < 10240) return count(value) + ' B';
  return value < 10485760 ? count(Math.round(value / 1024)) + ' KiB' : count(Math.round(value / 1048576)) + ' MiB';
}

// Both ends of an agent's connection, as netstat shows them.
function queues(connection) {
  const end = (where, socket) => where + ': Recv-Q ' + bytes(socket.recv_queue_bytes) + ', Send-Q ' +
    bytes(socket.send_queue_bytes) + ', unsent ' + bytes(socket.unsent_bytes) +
    (socket.rtt_us ? ', round trip ' + micros(socket.rtt_us) : '');
  return [end('master', connection), connection.agent ? end('agent', connection.agent) : '',
    connection.agent && connection.agent.local && !connection.direct ? 'a proxy, or a translation of addresses, is between' : '']
    .filter(Boolean).join('\n');
}
