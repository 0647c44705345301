// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Shows what the API tells, and nothing else. Everything that came over the network is put in as
// text; lists are asked for a page at a time; one request of a kind is open at most, and none while
// nobody looks.
(() => {
  'use strict';

  const kAgentsPage = 20;
  const kBatchesPage = 20;
  const kSchedulesPage = 50;
  const kResultsPage = 100;
  const kFilteredPage = 1000; // read at once when the rows are picked here
  const kFailuresAtOnce = 5000; // looked at for the groups, until more is asked for
  const kGroupsMax = 200;
  const kSamples = 60; // of a plot
  const kPlotsMax = 400;
  const kBackoffMax = 60000;
  const kPhases = ['dns', 'connect', 'tls', 'send', 'first_byte', 'receive', 'query'];

  const byId = (id) => document.getElementById(id);

  // ---------------------------------------------------------------- elements

  /** An element with attributes; children are nodes, or text. `class` and `text` are as named. */
  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (name === 'text') node.textContent = value;
      else node.setAttribute(name, value === true ? '' : value);
    }
    for (const child of children) {
      if (child !== undefined && child !== null) node.append(child);
    }
    return node;
  }

  /** Only when it differs: live regions speak at every change. */
  function setText(node, text) {
    const wanted = text === undefined || text === null ? '' : String(text);
    if (node.textContent !== wanted) node.textContent = wanted;
  }

  function setNote(node, text, bad) {
    setText(node, text);
    node.classList.toggle('bad', Boolean(bad));
  }

  function setChip(node, text, tone) {
    setText(node, text);
    const wanted = tone ? 'chip ' + tone : 'chip';
    if (node.className !== wanted) node.className = wanted;
  }

  /** A link when it is http(s), else text. */
  function targetNode(target) {
    const text = String(target === undefined ? '' : target);
    if (/^https?:\/\//i.test(text)) {
      let url = null;
      try {
        url = new URL(text);
      } catch (error) {
        url = null;
      }
      if (url && (url.protocol === 'http:' || url.protocol === 'https:')) {
        return el('a', {class: 'break', href: url.href, target: '_blank', rel: 'noopener noreferrer', text});
      }
    }
    return el('span', {class: 'break', text});
  }

  /**
   * A table whose rows stay the same elements while their items stay: columns are
   * {label, right, tight}; `fill(cells, item, row)` fills the cells of a row.
   */
  class Table {
    constructor(parent, caption, columns, key, fill) {
      this.columns = columns;
      this.key = key;
      this.fill = fill;
      this.rows = new Map();
      this.body = el('tbody', {role: 'rowgroup'});
      const head = el('tr', {role: 'row'});
      for (const column of columns) {
        head.append(el('th', {scope: 'col', role: 'columnheader', class: column.right && 'right', text: column.label}));
      }
      this.table = el('table', {class: 'rows', role: 'table'},
        el('caption', {class: 'hidden', text: caption}),
        el('thead', {role: 'rowgroup'}, head), this.body);
      this.table.hidden = true;
      parent.replaceChildren(this.table);
    }

    show(items) {
      const old = this.rows;
      this.rows = new Map();
      let at = this.body.firstElementChild;
      for (const item of items) {
        const key = this.key(item);
        let row = old.get(key);
        if (row) {
          old.delete(key);
        } else {
          row = {node: el('tr', {role: 'row'}), cells: [], memory: {}};
          this.columns.forEach((column, index) => {
            const classes = [column.right && 'right', column.tight && 'tight'].filter(Boolean).join(' ');
            const cell = index === 0
              ? el('th', {scope: 'row', role: 'rowheader', 'data-label': column.label, class: classes || null})
              : el('td', {role: 'cell', 'data-label': column.label, class: classes || null});
            row.cells.push(cell);
            row.node.append(cell);
          });
        }
        this.rows.set(key, row);
        this.fill(row.cells, item, row);
        if (at === row.node) {
          at = at.nextElementSibling;
        } else {
          this.body.insertBefore(row.node, at);
        }
        if (row.below) {
          if (at === row.below) at = at.nextElementSibling;
          else row.node.after(row.below);
        }
      }
      for (const row of old.values()) {
        row.node.remove();
        if (row.below) row.below.remove();
      }
      this.table.hidden = this.rows.size === 0;
    }
  }

  /** A table of names and numbers. */
  function countsTable(parent, caption, head, rows) {
    if (rows.length === 0) {
      parent.replaceChildren(el('p', {class: 'muted', text: 'nothing yet'}));
      return;
    }
    const body = el('tbody');
    for (const row of rows) {
      const line = el('tr', {class: row.tone === 'bad' ? 'trouble' : row.tone === 'warn' ? 'worried' : null});
      row.cells.forEach((cell, index) => {
        line.append(index === 0 ? el('th', {scope: 'row', class: row.long && 'break', text: cell})
          : el('td', {class: 'right', text: cell}));
      });
      body.append(line);
    }
    const names = el('tr');
    head.forEach((label, index) => names.append(el('th', {scope: 'col', class: index > 0 && 'right', text: label})));
    const table = el('table', {}, el('caption', {class: 'hidden', text: caption}), el('thead', {}, names), body);
    parent.replaceChildren(table);
  }

  /** Pages of a list by cursor: `load(after)` is called with where to start. */
  class Pager {
    constructor(parent, what, load) {
      this.load = load;
      this.before = []; // where each page so far began
      this.next = null;
      this.back = el('button', {type: 'button', class: 'quiet', text: 'Previous', 'aria-label': 'Previous page of ' + what});
      this.more = el('button', {type: 'button', class: 'quiet', text: 'Next', 'aria-label': 'Next page of ' + what});
      this.where = el('span', {class: 'muted num'});
      this.back.addEventListener('click', () => {
        this.before.pop();
        this.load();
      });
      this.more.addEventListener('click', () => {
        if (this.next === null) return;
        this.before.push(this.next);
        this.load();
      });
      this.parent = parent;
    }

    get after() {
      return this.before.length > 0 ? this.before[this.before.length - 1] : '';
    }
    get page() {
      return this.before.length;
    }
    restart() {
      this.before = [];
      this.next = null;
    }
    show(next, text) {
      this.next = next;
      this.back.disabled = this.before.length === 0;
      this.more.disabled = next === null;
      setText(this.where, text);
      if (this.before.length === 0 && next === null) this.parent.replaceChildren();
      else if (!this.back.isConnected) this.parent.replaceChildren(this.back, this.more, this.where);
    }
  }

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

  // ---------------------------------------------------------------- words and numbers

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

  // ---------------------------------------------------------------- the API

  let token = '';
  try {
    token = sessionStorage.getItem('probekit-token') || '';
  } catch (error) {
    token = '';
  }
  let asking = false; // for a token: until there is one nothing is sent

  /** What the API refuses, or that it cannot be reached. */
  class Refusal extends Error {
    constructor(status, text, retryAfter) {
      super(text);
      this.status = status;
      this.retryAfter = retryAfter;
    }
  }

  function refusalOf(status, text, retryAfter) {
    let detail = '';
    let problem = null;
    try {
      problem = JSON.parse(text);
      detail = problem.detail || problem.title || '';
    } catch (error) {
      detail = '';
    }
    let message = detail || 'the API answered ' + status;
    if ((status === 429 || status === 503) && retryAfter) message += '; try again in ' + retryAfter + ' s';
    const refusal = new Refusal(status, message, Number(retryAfter) || 0);
    refusal.problem = problem;
    return refusal;
  }

  const headersWithToken = (headers) => (token ? Object.assign({Authorization: 'Bearer ' + token}, headers) : headers);

  /** The response, if its status is 2xx; throws a Refusal otherwise. */
  async function ask(method, path, body, signal) {
    if (asking) throw new Refusal(401, 'waiting for a token');
    const used = token;
    let response;
    try {
      response = await fetch(path, {
        method,
        signal,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        headers: headersWithToken(body === undefined ? {} : {'Content-Type': 'application/json'}),
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new Refusal(0, 'the master cannot be reached');
    }
    const date = Date.parse(response.headers.get('Date'));
    if (Number.isFinite(date) && Math.abs(date - Date.now()) > 2000) clockSkew = date - Date.now();
    if (response.ok) return response;
    if (response.status === 401) askForToken(used);
    throw refusalOf(response.status, await response.text().catch(() => ''), response.headers.get('Retry-After'));
  }

  const askJson = async (method, path, body, signal) => (await ask(method, path, body, signal)).json();

  /** Lines of NDJSON, and the cursor behind them; null: there is no more, ever. */
  async function askLines(path, signal) {
    const response = await ask('GET', path, undefined, signal);
    const text = await response.text();
    const items = [];
    for (const line of text.split('\n')) if (line) items.push(JSON.parse(line));
    return {items, next: response.headers.get('Probekit-Next-Cursor')};
  }

  function query(parameters) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== '' && value !== undefined && value !== null) search.set(name, value);
    }
    const text = search.toString();
    return text ? '?' + text : '';
  }

  function askForToken(used) {
    if (asking || used !== token) return;
    asking = true;
    setText(byId('token-text'), used ? 'That token is not accepted.' : 'This master asks for a token.');
    token = '';
    keepToken();
    byId('token-input').value = '';
    const dialog = byId('token-dialog');
    if (!dialog.open) dialog.showModal();
    byId('token-input').focus();
  }

  function keepToken() {
    try {
      if (token) sessionStorage.setItem('probekit-token', token);
      else sessionStorage.removeItem('probekit-token');
    } catch (error) {
      // Then it is kept in memory alone.
    }
    byId('forget-token').hidden = !token;
  }

  byId('token-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const given = byId('token-input').value.trim();
    // A header takes visible ASCII alone.
    if (!/^[\x21-\x7e]+$/.test(given)) {
      setText(byId('token-text'), 'A token is visible ASCII characters without spaces.');
      return;
    }
    token = given;
    byId('token-input').value = '';
    keepToken();
    asking = false;
    byId('token-dialog').close();
    pollAll();
  });
  // Without a token there is nothing to see behind it.
  byId('token-dialog').addEventListener('cancel', (event) => event.preventDefault());
  byId('token-dialog').addEventListener('close', () => {
    if (asking) byId('token-dialog').showModal();
  });
  byId('forget-token').addEventListener('click', () => {
    token = '';
    keepToken();
    location.reload(); // and what it let us see
  });

  // ---------------------------------------------------------------- polling

  const pollers = [];

  /**
   * Calls `look` every `interval` ms while the page is seen and `wanted()` holds; never again before
   * it ended; after failures ever later, up to a minute.
   */
  class Poller {
    constructor(interval, wanted, look, failed) {
      this.interval = interval;
      this.wanted = wanted;
      this.look = look;
      this.failed = failed;
      this.failures = 0;
      this.running = false;
      this.again = false;
      this.timer = 0;
      pollers.push(this);
    }

    /** Now, or as soon as the one under way ended. */
    poll() {
      clearTimeout(this.timer);
      this.timer = 0;
      if (this.running) {
        this.again = true;
        return;
      }
      if (document.hidden || asking || !this.wanted()) return;
      this.run();
    }

    async run() {
      this.running = true;
      this.again = false;
      let delay = this.interval;
      try {
        await this.look();
        this.failures = 0;
      } catch (error) {
        this.failures += 1;
        const doubled = this.interval * 2 ** Math.min(this.failures, 10);
        delay = Math.min(kBackoffMax, Math.max(doubled, (error.retryAfter || 0) * 1000));
        delay *= 0.75 + Math.random() / 2;
        if (!(error instanceof Refusal)) console.error(error);
        else if (error.status !== 401) this.failed(error, delay);
      }
      this.running = false;
      if (this.again) this.poll();
      else this.timer = setTimeout(() => this.poll(), delay);
    }
  }

  const pollAll = () => pollers.forEach((poller) => poller.poll());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) pollAll();
  });
  window.addEventListener('online', pollAll);

  // ---------------------------------------------------------------- where we are

  // What #opened shows: a batch or a schedule; '' = the overview. Each opening is another visit.
  const opened = {kind: '', name: '', visit: 0};
  const onOverview = () => opened.kind === '';

  // ---------------------------------------------------------------- status

  const facts = (parent, entries) => {
    for (const entry of entries) {
      let node = parent.querySelector('[data-fact="' + entry.id + '"]');
      if (!node) {
        node = el('div', {'data-fact': entry.id}, el('dt', {text: entry.label}),
          el('dd', {}, el('span'), entry.plot ? Plot.node() : null));
        parent.append(node);
      }
      node.className = entry.tone || (entry.value === '0' || entry.value === '' ? 'none' : '');
      const value = node.querySelector('dd');
      setText(value.firstChild, entry.value === '' ? '–' : entry.value);
      value.className = entry.tone || '';
      if (entry.plot) entry.plot.draw(value.lastChild);
      node.hidden = Boolean(entry.hidden);
    }
  };

  const donePlot = new Plot();
  let lastDone = null; // {at, done}

  function showStatus(status) {
    const verdict = status.diagnosis.verdict;
    setChip(byId('verdict'), words(verdict), toneOf(verdict));
    byId('verdict-line').className = 'verdict-line ' + toneOf(verdict);
    setText(byId('verdict-text'), (status.draining ? 'Draining: no new work is taken. ' : '') + status.diagnosis.text);
    setText(byId('master'), [status.name, 'version ' + status.version, 'store ' + status.store].filter(Boolean).join(' · '));
    document.title = (verdict === 'healthy' ? '' : words(verdict) + ' · ') + 'probekit';
    const ledger = status.ledger;
    const now = performance.now();
    let perSecond = 0;
    if (lastDone && now > lastDone.at && ledger.done >= lastDone.done) {
      perSecond = (ledger.done - lastDone.done) * 1000 / (now - lastDone.at);
      donePlot.push(perSecond);
    }
    lastDone = {at: now, done: ledger.done};
    const lag = Math.max(...Object.values(status.loop_lags).map((one) => one.last_us || 0));
    facts(byId('ledger'), [
      {id: 'agents', label: 'Agents connected', value: count(status.agents_connected), tone: status.agents_connected ? '' : 'bad'},
      {id: 'accepted', label: 'Accepted', value: count(ledger.accepted)},
      {id: 'queued', label: 'Queued', value: count(ledger.queued)},
      {id: 'in_flight', label: 'In flight', value: count(ledger.in_flight)},
      {id: 'passed', label: 'Passed', value: count(ledger.passed)},
      {id: 'failed', label: 'Failed', value: count(ledger.failed), tone: ledger.failed ? 'bad' : ''},
      {id: 'expired', label: 'Expired', value: count(ledger.expired), tone: ledger.expired ? 'warn' : ''},
      {id: 'cancelled', label: 'Cancelled', value: count(ledger.cancelled)},
      {id: 'rate', label: 'Results', value: rate(perSecond), plot: donePlot},
      {id: 'store', label: 'Store p99', value: micros(status.store_latency.p99_us),
        tone: status.diagnosis.verdict.startsWith('store_') ? 'warn' : ''},
      {id: 'lag', label: 'Loop lag', value: micros(lag), tone: lag > 100000 ? 'warn' : ''},
    ]);
  }

  new Poller(2000, () => true, async () => showStatus(await askJson('GET', 'v1/status')), (error, delay) => {
    setChip(byId('verdict'), error.status ? 'refused' : 'unreachable', 'bad');
    byId('verdict-line').className = 'verdict-line bad';
    setText(byId('verdict-text'), 'What is shown is old: ' + error.message + '. Asking again in ' + span(delay) + '.');
    lastDone = null;
  });

  // ---------------------------------------------------------------- agents

  const ratePlots = new Plots();
  const latencyPlots = new Plots();

  function withPlot(cell, text, plot) {
    if (!cell.firstChild) cell.append(el('div', {}, el('span'), Plot.node()));
    setText(cell.firstChild.firstChild, text);
    plot.draw(cell.firstChild.lastChild);
  }

  const agentsTable = new Table(byId('agents-table'), 'Agents', [
    {label: 'Agent'}, {label: 'Diagnosis'}, {label: 'In flight', right: true}, {label: 'Queued', right: true},
    {label: 'Credit', right: true}, {label: 'Tasks', right: true}, {label: 'Round trip', right: true},
    {label: 'Last disconnect'},
  ], (agent) => agent.name, (cells, agent, row) => {
    const tone = agent.connected ? toneOf(agent.diagnosis.verdict) : 'bad';
    row.node.className = tone === 'bad' ? 'trouble' : tone === 'warn' ? 'worried' : '';
    row.node.dataset.agent = agent.name;
    if (!cells[0].firstChild) {
      cells[0].append(el('div', {}, el('p', {class: 'break name'}), el('p', {class: 'muted small break'})));
      cells[1].append(el('div', {}, el('p', {}, el('span'), ' ', el('span', {class: 'muted small'})), el('p', {class: 'small break'})));
    }
    const tags = Object.entries(agent.tags).map(([key, value]) => key + '=' + value);
    const [name, more] = cells[0].firstChild.children;
    setText(name, agent.name);
    setText(more, [agent.version, agent.connection.peer, ...tags].filter(Boolean).join(' · '));
    const [state, why] = cells[1].firstChild.children;
    setChip(state.firstChild, agent.connected ? words(agent.diagnosis.verdict) : 'disconnected', tone);
    state.title = agent.connected ? queues(agent.connection) : '';
    setText(state.lastChild, agent.draining ? 'draining' : '');
    setText(why, agent.connected ? (agent.diagnosis.verdict === 'healthy' ? '' : agent.diagnosis.text)
      : agent.last_disconnect ? diagnosisText(agent.last_disconnect.diagnosis) : '');
    why.hidden = !why.textContent;
    setText(cells[2], count(agent.in_flight));
    setText(cells[3], count(agent.queued));
    setText(cells[4], agent.connected ? count(agent.credit) : '–');
    const perSecond = agent.rates.tasks_per_second;
    const rates = ratePlots.of(agent.name);
    rates.push(perSecond);
    withPlot(cells[5], rate(perSecond), rates);
    const trip = agent.connected ? agent.heartbeat_rtt_us || agent.connection.rtt_us : 0;
    const latencies = latencyPlots.of(agent.name);
    latencies.push(trip);
    withPlot(cells[6], agent.connected ? micros(trip) : '–', latencies);
    const lost = agent.last_disconnect;
    cells[7].classList.toggle('blank', !lost);
    if (lost) {
      if (!cells[7].firstChild) cells[7].append(el('div', {}, el('p'), el('p', {class: 'small muted break'})));
      const [when, reason] = cells[7].firstChild.children;
      setText(when, ago(lost.at));
      when.title = lost.at;
      setText(reason, lost.reason + (lost.requeued ? '; ' + plural(lost.requeued, 'task', 'tasks') + ' given to others' : ''));
    }
  });

  const agentsPager = new Pager(byId('agents-pager'), 'agents', () => agentsPoller.poll());
  const agentsPoller = new Poller(3000, onOverview, async () => {
    const wanted = {after: agentsPager.after, limit: kAgentsPage, name: byId('agents-name').value, healthy: byId('agents-healthy').value};
    const list = await askJson('GET', 'v1/agents' + query(wanted));
    agentsTable.show(list.items);
    const total = list.total === undefined ? list.items.length : list.total;
    const filtered = wanted.name || wanted.healthy;
    setText(byId('agents-count'), filtered ? count(total) + ' shown by the filter' : count(total));
    // Of more than a page, those that matter may be on another.
    let troubled = 0;
    if (!wanted.healthy && total > list.items.length) {
      troubled = (await askJson('GET', 'v1/agents' + query({name: wanted.name, healthy: 'false', limit: 1}))).total;
    }
    byId('agents-troubled').hidden = !troubled;
    setText(byId('agents-troubled'), troubled ? 'Show ' + count(troubled) + ' in trouble' : '');
    setNote(byId('agents-note'), total ? '' : filtered ? 'No agent fits the filter.'
      : 'No agent has connected yet. Start one: probekit-agent --master URL');
    const first = agentsPager.page * kAgentsPage;
    agentsPager.show(list.next, count(first + 1) + '–' + count(first + list.items.length) + ' of ' + count(total));
  }, (error) => setNote(byId('agents-note'), 'Agents: ' + error.message, true));

  function refilter(form, restart) {
    let timer = 0;
    form.addEventListener('submit', (event) => event.preventDefault());
    form.addEventListener('input', (event) => {
      clearTimeout(timer);
      timer = setTimeout(restart, event.target.tagName === 'SELECT' ? 0 : 300);
    });
  }
  refilter(byId('agents-filter'), () => {
    agentsPager.restart();
    agentsPoller.poll();
  });

  byId('agents-troubled').addEventListener('click', () => {
    byId('agents-healthy').value = 'false';
    byId('agents-healthy').focus();
    agentsPager.restart();
    agentsPoller.poll();
  });

  // ---------------------------------------------------------------- batches

  const kEnds = ['passed', 'failed', 'expired', 'cancelled', 'in_flight'];

  /** Parts of the whole, in their colours; what is missing is queued. */
  function progressBar(parent, batch, label) {
    let bar = parent.querySelector('.bar');
    if (!bar) {
      bar = el('div', {class: 'bar', role: 'progressbar', 'aria-valuemin': '0', 'aria-valuemax': '100'});
      for (const part of kEnds) bar.append(el('span', {class: part}));
      parent.append(bar);
    }
    kEnds.forEach((part, index) => {
      bar.children[index].style.width = (batch.accepted ? 100 * (batch[part] || 0) / batch.accepted : 0) + '%';
    });
    bar.setAttribute('aria-label', label);
    bar.setAttribute('aria-valuenow', String(Math.floor(batch.accepted ? 100 * endedOf(batch) / batch.accepted : 100)));
  }

  const endedOf = (batch) => batch.done + batch.expired + batch.cancelled;
  const isOver = (batch) => batch.state === 'done' || batch.state === 'cancelled';
  const batchTitle = (batch) => batch.name || batch.id;
  const stateTone = (batch) => (isOver(batch) ? (batch.failed || batch.expired ? 'bad' : batch.state === 'done' ? 'good' : '') : '');

  function whenText(batch) {
    if (batch.finished_at) return 'finished ' + ago(batch.finished_at);
    if (batch.eta_ms !== null && batch.eta_ms !== undefined) return span(batch.eta_ms) + ' left';
    return 'since ' + ago(batch.created_at).replace(/ ago$/, '');
  }

  const batchesTable = new Table(byId('batches-table'), 'Batches, newest first', [
    {label: 'Batch'}, {label: 'State', tight: true}, {label: 'Progress'}, {label: 'Passed', right: true}, {label: 'Failed', right: true},
    {label: 'Expired', right: true}, {label: 'Rate', right: true}, {label: 'Time', tight: true},
  ], (batch) => batch.id, (cells, batch, row) => {
    row.node.className = batch.failed || batch.expired ? (batch.failed ? 'trouble' : 'worried') : '';
    row.node.dataset.batch = batch.id;
    if (!cells[0].firstChild) {
      cells[0].append(el('div', {}, el('a', {class: 'break', href: '#/batches/' + encodeURIComponent(batch.id)}),
        el('p', {class: 'muted small break', text: batch.name ? batch.id : ''})));
      cells[1].append(el('div', {}, el('span')));
      cells[2].append(el('div', {}, el('p', {class: 'small muted num'})));
    }
    setText(cells[0].firstChild.firstChild, batchTitle(batch));
    setChip(cells[1].firstChild.firstChild, batch.state, stateTone(batch));
    setText(cells[2].firstChild.firstChild, count(endedOf(batch)) + ' of ' + count(batch.accepted) + ' ended');
    progressBar(cells[2].firstChild, batch, 'Progress of ' + batchTitle(batch));
    setText(cells[3], count(batch.passed));
    setText(cells[4], count(batch.failed));
    cells[4].classList.toggle('bad', batch.failed > 0);
    setText(cells[5], count(batch.expired));
    cells[5].classList.toggle('warn', batch.expired > 0);
    setText(cells[6], isOver(batch) ? '–' : rate(batch.tasks_per_second));
    setText(cells[7], whenText(batch));
  });

  const batchesPager = new Pager(byId('batches-pager'), 'batches', () => batchesPoller.poll());
  const batchesPoller = new Poller(2500, onOverview, async () => {
    const list = await askJson('GET', 'v1/batches' + query({after: batchesPager.after, limit: kBatchesPage}));
    batchesTable.show(list.items);
    setNote(byId('batches-note'), list.items.length || batchesPager.page ? '' : 'No batch yet. Import a list of targets to make one.');
    batchesPager.show(list.next, 'page ' + (batchesPager.page + 1));
  }, (error) => setNote(byId('batches-note'), 'Batches: ' + error.message, true));

  // ---------------------------------------------------------------- schedules

  let schedulesServed = true; // until the API says that it has none

  function agentsText(agents) {
    if (agents === undefined || agents === null) return 'any';
    if (typeof agents === 'string') return agents;
    if (agents.names) return 'name:' + agents.names.join(',name:');
    const tags = Object.entries(agents.tags || {}).map(([key, value]) => 'tag:' + key + '=' + value).join(',') || 'any';
    return tags + (agents.count > 1 ? '*' + agents.count : '');
  }

  const scheduleTone = (schedule) => (schedule.enabled === false ? '' : 'good');
  const scheduleState = (schedule) => (schedule.enabled === false ? 'off' : 'on');

  /** How a schedule's tasks ended since the page was opened: a mark a look that saw some end. */
  const schedulesSeen = new Map();

  function marksOf(schedule) {
    const seen = schedulesSeen.get(schedule.name) || {marks: [], last: schedule};
    for (const end of ['failed', 'expired', 'passed']) {
      if (schedule[end] > seen.last[end]) {
        seen.marks.push(end);
        break;
      }
    }
    if (seen.marks.length > 30) seen.marks.shift();
    seen.last = schedule;
    schedulesSeen.delete(schedule.name);
    schedulesSeen.set(schedule.name, seen);
    if (schedulesSeen.size > kPlotsMax) schedulesSeen.delete(schedulesSeen.keys().next().value);
    return seen.marks;
  }

  const schedulesTable = new Table(byId('schedules-table'), 'Schedules', [
    {label: 'Schedule'}, {label: 'State', tight: true}, {label: 'Every', right: true}, {label: 'Agents'},
    {label: 'Targets', right: true}, {label: 'Passed', right: true}, {label: 'Failed', right: true}, {label: 'Expired', right: true}, {label: 'Lately'},
  ], (schedule) => schedule.name, (cells, schedule, row) => {
    row.node.dataset.schedule = schedule.name;
    if (!cells[0].firstChild) {
      cells[0].append(el('a', {class: 'break', href: '#/schedules/' + encodeURIComponent(schedule.name)}));
      cells[1].append(el('div', {}, el('span')));
      cells[8].append(el('div', {}, el('span', {class: 'marks', 'aria-hidden': 'true'}), el('p', {class: 'small muted'})));
    }
    setText(cells[0].firstChild, schedule.name);
    setChip(cells[1].firstChild.firstChild, scheduleState(schedule), scheduleTone(schedule));
    setText(cells[2], span(schedule.interval_ms));
    setText(cells[3], agentsText(schedule.agents));
    setText(cells[4], count(schedule.target_count));
    setText(cells[5], count(schedule.passed));
    setText(cells[6], count(schedule.failed));
    cells[6].classList.toggle('bad', schedule.failed > 0);
    setText(cells[7], count(schedule.expired) + (schedule.missed ? ', ' + count(schedule.missed) + ' missed' : ''));
    cells[7].classList.toggle('warn', schedule.expired > 0);
    const marks = marksOf(schedule);
    const newest = marks[marks.length - 1];
    row.node.className = newest === 'failed' ? 'trouble' : newest === 'expired' ? 'worried' : '';
    const [shownMarks, text] = cells[8].firstChild.children;
    shownMarks.replaceChildren(...marks.map((one) => el('i', {class: one})));
    setText(text, newest ? 'last ' + newest : schedule.next_at && schedule.enabled !== false ? 'next ' + until(schedule.next_at) : '');
  });

  const schedulesPager = new Pager(byId('schedules-pager'), 'schedules', () => schedulesPoller.poll());
  const schedulesPoller = new Poller(5000, () => onOverview() && schedulesServed, async () => {
    let list;
    try {
      list = await askJson('GET', 'v1/schedules' + query({after: schedulesPager.after, limit: kSchedulesPage}));
    } catch (error) {
      if (!(error instanceof Refusal) || (error.status !== 404 && error.status !== 501)) throw error;
      schedulesServed = false;
      return;
    }
    byId('schedules').hidden = false;
    byId('schedules-link').hidden = false;
    schedulesTable.show(list.items);
    setNote(byId('schedules-note'), list.items.length || schedulesPager.page ? '' : 'No schedule yet. Make one: PUT /v1/schedules/NAME');
    schedulesPager.show(list.next, 'page ' + (schedulesPager.page + 1));
  }, (error) => setNote(byId('schedules-note'), 'Schedules: ' + error.message, true));

  // ---------------------------------------------------------------- one result

  function outcomeText(result) {
    if (result.state === 'expired') return 'expired: ' + words(result.reason);
    if (result.state === 'cancelled') return 'cancelled';
    if (result.failure) return result.failure.kind + ': ' + result.failure.message;
    if (result.http) return 'passed, HTTP ' + result.http.status;
    if (result.dns) return 'passed, ' + result.dns.rcode + ', ' + plural((result.dns.answers || []).length, 'answer', 'answers');
    return result.verdict || result.state || '';
  }

  const resultTone = (result) => (result.verdict === 'failed' ? 'bad' : result.state === 'expired' ? 'warn' : result.verdict === 'passed' ? 'good' : '');

  const diagnosisText = (diagnosis) => (diagnosis && typeof diagnosis === 'object' ? diagnosis.text : diagnosis) || '';

  /** The phases one behind the other, as bars. */
  function phaseBars(phases) {
    const known = kPhases.map((name) => name + '_us').filter((name) => name in phases);
    const names = known.concat(Object.keys(phases).filter((name) => !known.includes(name)));
    const total = names.reduce((sum, name) => sum + phases[name], 0);
    const list = el('ul', {class: 'phases', 'aria-label': 'Phases'});
    let start = 0;
    for (const name of names) {
      const bar = el('span');
      bar.style.left = (total ? 100 * start / total : 0) + '%';
      bar.style.width = (total ? 100 * phases[name] / total : 0) + '%';
      list.append(el('li', {}, el('span', {text: words(name.replace(/_us$/, ''))}),
        el('span', {class: 'track', 'aria-hidden': 'true'}, bar), el('span', {class: 'value', text: micros(phases[name])})));
      start += phases[name];
    }
    return list;
  }

  function resultDetail(result) {
    const parts = [];
    if (result.phases && Object.keys(result.phases).length > 0) parts.push(phaseBars(result.phases));
    const diagnosis = diagnosisText(result.diagnosis);
    if (diagnosis) parts.push(el('p', {text: diagnosis}));
    if (result.suspect) parts.push(el('p', {class: 'warn', text: 'The agent itself was late: do not trust these timings.'}));
    parts.push(el('pre', {tabindex: '0', 'aria-label': 'The whole result', text: JSON.stringify(result, null, 2)}));
    return parts;
  }

  // ---------------------------------------------------------------- an opened batch or schedule

  const openedPath = () => 'v1/' + (opened.kind === 'batch' ? 'batches/' : 'schedules/') + encodeURIComponent(opened.name);
  const key = (...parts) => JSON.stringify(parts);

  function hostOf(target) {
    try {
      const url = new URL(target);
      return url.host || url.pathname.split('/')[0];
    } catch (error) {
      return target;
    }
  }

  /** Groups of failures read so far, by each of the three ways. */
  const failures = {after: '', read: 0, limit: kFailuresAtOnce, ended: false, groups: {}, picked: null};

  function forgetFailures() {
    Object.assign(failures, {after: '', read: 0, limit: kFailuresAtOnce, ended: false, picked: null,
      groups: {message: new Map(), agent: new Map(), host: new Map()}});
    byId('failures').replaceChildren();
    setText(byId('failures-note'), '');
    byId('failures-more').hidden = true;
  }

  const kAddress = /\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b|\[[0-9a-f]*:[0-9a-f:.]*\](?::\d+)?/gi;

  const groupValues = {
    // The same trouble at many addresses is one group.
    message: (result) => (result.failure ? result.failure.message.replace(kAddress, 'ADDRESS') : ''),
    agent: (result) => result.agent || '',
    host: (result) => hostOf(result.target),
  };

  function addFailure(result) {
    if (!result.failure) return;
    failures.read += 1;
    for (const [by, valueOf] of Object.entries(groupValues)) {
      const groups = failures.groups[by];
      const name = key(result.failure.kind, valueOf(result));
      const group = groups.get(name);
      if (group) {
        group.count += 1;
      } else if (groups.size < kGroupsMax) {
        groups.set(name, {kind: result.failure.kind, value: valueOf(result), example: result.target, count: 1});
      } else {
        groups.rest = (groups.rest || 0) + 1;
      }
    }
  }

  const failuresTable = new Table(byId('failures'), 'Failures in groups', [
    {label: 'Kind', tight: true}, {label: 'Group'}, {label: 'Failures', right: true}, {label: 'For example'}, {label: 'Results'},
  ], (group) => key(group.kind, group.value), (cells, group, row) => {
    row.node.className = 'trouble';
    setText(cells[0], group.kind);
    setText(cells[1], group.value);
    cells[1].className = 'break';
    setText(cells[2], count(group.count));
    if (!cells[3].firstChild) {
      cells[3].append(targetNode(group.example));
      const show = el('button', {type: 'button', class: 'link', text: 'show', 'aria-label': 'Show results: ' + group.kind + ', ' + group.value});
      show.addEventListener('click', () => pickGroup(group));
      cells[4].append(show);
    }
  });

  function showFailures(total) {
    if (!failuresTable.table.isConnected) byId('failures').replaceChildren(failuresTable.table);
    const groups = failures.groups[byId('group-by').value];
    failuresTable.show([...groups.values()].sort((a, b) => b.count - a.count));
    const left = !failures.ended && failures.read >= failures.limit;
    byId('failures-more').hidden = !left;
    let text = failures.read === 0 ? (failures.ended || total === 0 ? 'No failure so far.' : '')
      : 'Grouped from ' + (left ? 'the first ' : '') + plural(failures.read, 'failure', 'failures') +
        (total > failures.read ? ' of ' + count(total) : '') + '.';
    if (groups.rest) text += ' ' + plural(groups.rest, 'failure is', 'failures are') + ' in more groups than the ' + kGroupsMax + ' shown.';
    setNote(byId('failures-note'), text);
  }
  byId('group-by').addEventListener('change', () => showFailures(shown.failed));
  byId('failures-more').closest('form').addEventListener('submit', (event) => event.preventDefault());
  byId('failures-more').addEventListener('click', () => {
    failures.limit = failures.read + kFailuresAtOnce;
    failuresPoller.poll();
  });

  function pickGroup(group) {
    const by = byId('group-by').value;
    byId('results-verdict').value = 'failed';
    byId('results-kind').value = group.kind;
    byId('results-text').value = '';
    failures.picked = {by, value: group.value};
    restartResults();
    byId('results').scrollIntoView();
    byId('results').focus({preventScroll: true});
  }

  // What the last answers said of it.
  const shown = {over: false, failed: 0, batch: null};

  const openedWanted = () => opened.kind !== '';

  function openedFailed(error) {
    const text = error.status === 404 ? 'There is no such ' + opened.kind + ' (any more).' : error.message;
    setNote(byId('opened-note'), text, true);
  }

  const openedPoller = new Poller(1500, () => openedWanted() && !shown.over, async () => {
    const {kind, visit} = opened;
    const item = await askJson('GET', openedPath());
    if (opened.visit !== visit) return;
    setNote(byId('opened-note'), '');
    if (kind === 'batch') showBatch(item);
    else showSchedule(item);
  }, openedFailed);

  function showLedger(ledger, last) {
    facts(byId('opened-facts'), [
      {id: 'accepted', label: 'Accepted', value: count(ledger.accepted)},
      {id: 'queued', label: 'Queued', value: count(ledger.queued)},
      {id: 'in_flight', label: 'In flight', value: count(ledger.in_flight)},
      {id: 'passed', label: 'Passed', value: count(ledger.passed)},
      {id: 'failed', label: 'Failed', value: count(ledger.failed), tone: ledger.failed ? 'bad' : ''},
      {id: 'expired', label: 'Expired', value: count(ledger.expired), tone: ledger.expired ? 'warn' : ''},
      {id: 'cancelled', label: 'Cancelled', value: count(ledger.cancelled)},
      last,
    ]);
  }

  function showBatch(batch) {
    const wasRunning = shown.batch && !isOver(shown.batch);
    shown.batch = batch;
    shown.failed = batch.failed;
    setText(byId('opened-title'), 'Batch ' + batchTitle(batch));
    setChip(byId('opened-state'), batch.state, stateTone(batch));
    byId('opened-cancel').hidden = isOver(batch);
    const bar = byId('opened-progress');
    bar.className = 'wide';
    if (!bar.firstChild) bar.append(el('p', {class: 'muted num'}));
    progressBar(bar, batch, 'Progress');
    setText(bar.firstChild, count(endedOf(batch)) + ' of ' + plural(batch.accepted, 'task', 'tasks') + ' ended' +
      (isOver(batch) ? '' : ', ' + rate(batch.tasks_per_second)) + ', ' + whenText(batch));
    showLedger(batch, {id: 'rejected', label: 'Rejected lines', value: count(batch.rejected), tone: batch.rejected ? 'warn' : ''});
    if (!isOver(batch)) return;
    if (wasRunning) {
      setNote(byId('opened-note'), 'The batch has ended: ' + plural(batch.passed, 'task', 'tasks') + ' passed, ' + count(batch.failed) + ' failed.');
    }
    shown.over = true;
    for (const poller of [summaryPoller, failuresPoller, resultsPoller]) poller.poll();
  }

  function showSchedule(schedule) {
    shown.failed = schedule.failed;
    setText(byId('opened-title'), 'Schedule ' + schedule.name);
    setChip(byId('opened-state'), scheduleState(schedule), scheduleTone(schedule));
    byId('opened-progress').className = 'muted break';
    setText(byId('opened-progress'), plural(schedule.target_count, 'target', 'targets') + ' every ' + span(schedule.interval_ms) +
      ' by ' + agentsText(schedule.agents) + (schedule.next_at && schedule.enabled !== false ? ', next ' + until(schedule.next_at) : ''));
    showLedger(schedule, {id: 'missed', label: 'Missed', value: count(schedule.missed), tone: schedule.missed ? 'warn' : ''});
  }

  const summary = {last: false};
  const summaryPoller = new Poller(3000, () => opened.kind === 'batch' && !summary.last, async () => {
    const {visit} = opened;
    const last = shown.over;
    const answer = await askJson('GET', openedPath() + '/summary');
    if (opened.visit !== visit) return;
    summary.last = last;
    const share = (value) => (answer.accepted ? (100 * value / answer.accepted).toFixed(1) + ' %' : '');
    const rows = [];
    const add = (name, value, tone) => {
      if (value) rows.push({tone, cells: [name, count(value), share(value)]});
    };
    add('passed', answer.verdicts.passed, '');
    add('failed', answer.verdicts.failed, 'bad');
    for (const [kind, value] of Object.entries(answer.failures)) add('failed: ' + kind, value, 'bad');
    add('expired', answer.states.expired, 'warn');
    for (const [reason, value] of Object.entries(answer.reasons)) add('expired: ' + words(reason), value, 'warn');
    add('cancelled', answer.states.cancelled, '');
    countsTable(byId('ends'), 'How tasks ended', ['End', 'Tasks', 'Share'], rows);
    const phases = Object.keys(answer.phases);
    const order = (phase) => (kPhases.indexOf(phase.replace(/_us$/, '')) + 1) || 99;
    phases.sort((a, b) => order(a) - order(b));
    countsTable(byId('phases'), 'Percentiles of each phase', ['Phase', 'p50', 'p90', 'p99', 'max'], phases.map((phase) => {
      const one = answer.phases[phase];
      return {cells: [words(phase.replace(/_us$/, '')), micros(one.p50), micros(one.p90), micros(one.p99), micros(one.max)]};
    }));
    const agents = Object.entries(answer.agents).sort((a, b) => b[1] - a[1]);
    const rest = agents.slice(20).reduce((sum, one) => sum + one[1], 0);
    const by = agents.slice(0, 20).map(([agent, value]) => ({long: true, cells: [agent, count(value), share(value)]}));
    if (rest) by.push({cells: [count(agents.length - 20) + ' more agents', count(rest), share(rest)]});
    countsTable(byId('by-agent'), 'Results by agent', ['Agent', 'Results', 'Share'], by);
  }, openedFailed);

  // Follows the growing end, so that groups fill while the batch runs.
  const failuresPoller = new Poller(2000, () => openedWanted() && !failures.ended && failures.read < failures.limit, async () => {
    const {visit} = opened;
    const page = await askLines(openedPath() + '/results' + query({verdict: 'failed', after: failures.after, limit: 1000}));
    if (opened.visit !== visit) return;
    page.items.forEach(addFailure);
    if (page.next) failures.after = page.next;
    failures.ended = page.next === null;
    showFailures(shown.failed);
    if (page.items.length === 1000) failuresPoller.again = true;
  }, (error) => setNote(byId('failures-note'), 'Failures: ' + error.message, true));

  const resultsTable = new Table(byId('results-table'), 'Results', [
    {label: 'Target'}, {label: 'Outcome'}, {label: 'Agent'}, {label: 'Address'}, {label: 'Duration', right: true}, {label: 'Started', tight: true}, {label: 'More'},
  ], (result) => result.task, (cells, result, row) => {
    if (cells[0].firstChild) return; // a result never changes
    const tone = resultTone(result);
    row.node.className = tone === 'bad' ? 'trouble' : tone === 'warn' ? 'worried' : '';
    cells[0].append(targetNode(result.target));
    cells[1].append(el('span', {class: 'break ' + (tone === 'good' ? '' : tone), text: outcomeText(result) + (result.suspect ? ' (suspect)' : '')}));
    setText(cells[2], result.agent || '');
    cells[2].className = result.agent ? 'break' : 'blank';
    setText(cells[3], result.address || '');
    cells[3].className = result.address ? 'break' : 'blank';
    setText(cells[4], result.duration_us === undefined ? '' : micros(result.duration_us));
    if (result.duration_us === undefined) cells[4].classList.add('blank');
    setText(cells[5], result.started_at ? String(result.started_at).slice(11, 23) : '');
    cells[5].title = result.started_at || '';
    if (!result.started_at) cells[5].classList.add('blank');
    const button = el('button', {type: 'button', class: 'link', text: 'details', 'aria-expanded': 'false', 'aria-label': 'Details of ' + result.target});
    button.addEventListener('click', () => {
      if (row.below) {
        row.below.remove();
        row.below = null;
      } else {
        row.below = el('tr', {class: 'detail', role: 'row'}, el('td', {role: 'cell', colspan: '7'}, ...resultDetail(result)));
        row.node.after(row.below);
      }
      button.setAttribute('aria-expanded', String(Boolean(row.below)));
    });
    cells[6].append(button);
  });

  const results = {last: false, serial: 0}; // of what is asked for: a filter, a page
  const resultsPager = new Pager(byId('results-pager'), 'results', () => {
    results.last = false;
    results.serial += 1;
    setNote(byId('results-note'), 'Reading…');
    resultsPoller.poll();
  });

  function restartResults() {
    resultsPager.restart();
    resultsPager.load();
  }

  // A page that is full, or of a finished batch, stays as it is; the growing end is asked for again.
  const resultsPoller = new Poller(2000, () => openedWanted() && !results.last, async () => {
    const {visit} = opened;
    const {serial} = results;
    const wantedKind = byId('results-kind').value;
    const text = byId('results-text').value.toLowerCase();
    const picked = failures.picked;
    const filtered = Boolean(wantedKind || text || picked);
    const verdict = byId('results-verdict').value || (wantedKind || picked ? 'failed' : '');
    const limit = filtered ? kFilteredPage : kResultsPage;
    const page = await askLines(openedPath() + '/results' + query({verdict, after: resultsPager.after, limit}));
    if (opened.visit !== visit || results.serial !== serial) return;
    let items = page.items;
    if (filtered) {
      items = items.filter((result) => (!wantedKind || (result.failure && result.failure.kind === wantedKind)) &&
        (!picked || groupValues[picked.by](result) === picked.value) &&
        (!text || JSON.stringify(result).toLowerCase().includes(text)));
    }
    resultsTable.show(items);
    const full = page.items.length === limit;
    const first = resultsPager.page * limit;
    const range = count(first + 1) + '–' + count(first + page.items.length);
    let note = '';
    if (page.items.length === 0) note = first ? 'No more results.' : page.next === null ? 'No result fits.' : 'No result yet.';
    else if (filtered) {
      note = plural(items.length, 'result fits', 'results fit') + ' among ' + range + (verdict ? ' that ' + verdict : '') +
        (picked ? '; ' + picked.by + ': ' + picked.value : '') + (full ? '. Next reads on.' : '.');
    }
    setNote(byId('results-note'), note);
    resultsPager.show(full && page.next ? page.next : null, page.items.length ? range : '');
    results.last = full || page.next === null;
  }, (error) => setNote(byId('results-note'), 'Results: ' + error.message, true));

  refilter(byId('results-filter'), () => {
    failures.picked = null;
    restartResults();
  });

  // Cancelling.
  byId('opened-cancel').addEventListener('click', () => {
    const batch = shown.batch;
    setText(byId('cancel-text'), batchTitle(batch) + ': ' + plural(batch.queued + batch.in_flight, 'task', 'tasks') +
      ' not ended yet will get no result. What is in flight ends by itself.');
    byId('cancel-dialog').showModal();
    byId('cancel-no').focus();
  });
  byId('cancel-no').addEventListener('click', () => byId('cancel-dialog').close());
  byId('cancel-yes').addEventListener('click', async () => {
    byId('cancel-dialog').close();
    byId('opened-cancel').disabled = true;
    try {
      const {visit} = opened;
      const batch = await askJson('DELETE', openedPath());
      if (opened.visit === visit) showBatch(batch);
    } catch (error) {
      setNote(byId('opened-note'), 'Not cancelled: ' + error.message, true);
    }
    byId('opened-cancel').disabled = false;
  });

  // ---------------------------------------------------------------- agents, as orders name them

  /** `any`, `all`, `tag:a=1,tag:b=2*3`, `name:a,name:b` as the API's JSON; throws what is wrong. */
  function selectorOf(text) {
    const wanted = text.trim() || 'any';
    if (wanted === 'any' || wanted === 'all') return wanted;
    const parts = /^(.*?)(?:\*([1-9][0-9]{0,6}))?$/.exec(wanted);
    const selector = parts[1] === 'any' ? {tags: {}} : {};
    for (const term of parts[1] === 'any' ? [] : parts[1].split(',')) {
      const tag = /^tag:([A-Za-z0-9._-]{1,64})=([A-Za-z0-9._-]{1,64})$/.exec(term);
      const name = /^name:([A-Za-z0-9._-]{1,64})$/.exec(term);
      if (tag) (selector.tags = selector.tags || {})[tag[1]] = tag[2];
      else if (name) (selector.names = selector.names || []).push(name[1]);
      else throw new Error('agents: "' + term + '" is none of any, all, tag:KEY=VALUE, name:NAME');
    }
    if (selector.tags && selector.names) throw new Error('agents: tags or names, not both');
    if (parts[2] && selector.names) throw new Error('agents: a count goes with any or tags');
    if (selector.tags) selector.count = Number(parts[2] || 1);
    return selector;
  }

  // ---------------------------------------------------------------- probe now

  let probing = null; // AbortController

  function showProbe(probe) {
    const blocks = probe.results.map((result) => {
      const tone = resultTone(result);
      return el('div', {class: 'probed'},
        el('p', {}, el('span', {class: 'chip ' + tone, text: result.verdict || result.state}), ' ',
          el('span', {class: 'break ' + (tone === 'good' ? '' : tone), text: outcomeText(result).replace(/^passed, /, '')})),
        el('p', {class: 'muted small break', text: [result.agent && 'by ' + result.agent, result.address,
          result.duration_us !== undefined && micros(result.duration_us)].filter(Boolean).join(' · ')}),
        diagnosisText(result.diagnosis) ? el('p', {class: 'small', text: diagnosisText(result.diagnosis)}) : null,
        result.suspect ? el('p', {class: 'warn small', text: 'The agent itself was late: do not trust these timings.'}) : null,
        result.phases ? phaseBars(result.phases) : null);
    });
    byId('probe-results').replaceChildren(...blocks);
  }

  byId('probe-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    if (probing) {
      probing.abort();
      return;
    }
    const note = byId('probe-note');
    const spec = {target: byId('probe-target').value.trim(), wait_ms: 10000};
    try {
      spec.agents = selectorOf(byId('probe-agents').value);
    } catch (error) {
      setNote(note, error.message, true);
      return;
    }
    if (byId('probe-timeout').value) spec.timeout_ms = Number(byId('probe-timeout').value);
    probing = new AbortController();
    setText(byId('probe-go'), 'Stop waiting');
    setNote(note, 'Probing…');
    byId('probe-results').replaceChildren();
    try {
      let probe = await askJson('POST', 'v1/probes', spec, probing.signal);
      showProbe(probe);
      while (probe.state !== 'done' && probe.state !== 'cancelled') {
        setNote(note, 'Probing… ' + count(probe.results.length) + ' of ' + plural(probe.accepted, 'task', 'tasks') + ' ended.');
        probe = await askJson('GET', 'v1/probes/' + encodeURIComponent(probe.id) + '?wait_ms=10000', undefined, probing.signal);
        showProbe(probe);
      }
      setNote(note, probe.failed || probe.expired ? 'The probe failed.' : 'The probe passed.', probe.failed || probe.expired);
    } catch (error) {
      setNote(note, error.name === 'AbortError' ? 'Stopped waiting; the probe itself ends at its deadline.' : error.message, error.name !== 'AbortError');
    }
    probing = null;
    setText(byId('probe-go'), 'Probe');
  });

  // ---------------------------------------------------------------- import

  let uploading = null; // XMLHttpRequest: it alone tells how far an upload is

  function formatOf(name, start) {
    if (/\.(ndjson|jsonl)$/i.test(name)) return 'application/x-ndjson';
    if (/\.json$/i.test(name)) return 'application/json';
    const text = start.replace(/^\ufeff/, '').trimStart();
    if (!text.startsWith('{')) return 'text/plain';
    const line = text.split('\n', 1)[0];
    try {
      return 'target' in JSON.parse(line) ? 'application/x-ndjson' : 'application/json';
    } catch (error) {
      return 'application/json';
    }
  }

  function upload(path, type, body) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      const used = token;
      uploading = request;
      request.open('POST', path);
      request.setRequestHeader('Content-Type', type);
      if (token) request.setRequestHeader('Authorization', 'Bearer ' + token);
      const progress = byId('import-progress');
      progress.value = 0;
      progress.hidden = false;
      request.upload.addEventListener('progress', (event) => {
        if (event.lengthComputable && event.total > 0) progress.value = event.loaded / event.total;
      });
      request.addEventListener('load', () => {
        if (request.status === 201) {
          resolve(JSON.parse(request.responseText));
          return;
        }
        if (request.status === 401) askForToken(used);
        reject(refusalOf(request.status, request.responseText, request.getResponseHeader('Retry-After')));
      });
      request.addEventListener('error', () => reject(new Refusal(0, 'the upload broke off; nothing of it was accepted, unless its answer was lost: look at the batches')));
      request.addEventListener('abort', () => reject(new Refusal(0, 'upload aborted; nothing of it was accepted')));
      request.send(body);
    });
  }

  function showImportErrors(answer) {
    const parent = byId('import-errors');
    parent.replaceChildren();
    const errors = answer && Array.isArray(answer.errors) ? answer.errors : [];
    if (errors.length === 0) return;
    const list = el('ul', {class: 'small break', 'aria-label': 'Rejected lines'});
    for (const error of errors) list.append(el('li', {text: 'line ' + error.line + ': ' + error.detail + (error.target ? ' (' + error.target + ')' : '')}));
    if (answer.rejected > errors.length) list.append(el('li', {text: 'and ' + count(answer.rejected - errors.length) + ' more'}));
    parent.append(list);
  }

  byId('import-form').addEventListener('submit', async (event) => {
    event.preventDefault();
    if (uploading) return;
    const note = byId('import-note');
    const file = byId('import-file').files[0];
    const text = byId('import-text').value;
    showImportErrors(null);
    if (file && text.trim()) {
      setNote(note, 'Paste targets or choose a file, not both.', true);
      return;
    }
    if (!file && !text.trim()) {
      setNote(note, 'There is no target: paste some or choose a file.', true);
      return;
    }
    byId('import-go').disabled = true;
    byId('import-abort').hidden = false;
    setNote(note, 'Sending…');
    try {
      const start = file ? await file.slice(0, 65536).text() : text;
      const type = byId('import-format').value || formatOf(file ? file.name : '', start);
      const path = 'v1/batches' + query({name: byId('import-name').value.trim(), agents: byId('import-agents').value.trim(), timeout_ms: byId('import-timeout').value});
      const made = await upload(path, type, file || text);
      note.classList.remove('bad');
      note.replaceChildren(plural(made.accepted, 'task', 'tasks') + ' accepted' +
        (made.rejected ? ', ' + plural(made.rejected, 'line', 'lines') + ' rejected' : '') + ': ',
        el('a', {href: '#/batches/' + encodeURIComponent(made.id), text: 'open the batch'}));
      showImportErrors(made);
      byId('import-text').value = '';
      byId('import-file').value = '';
      batchesPoller.poll();
    } catch (error) {
      setNote(note, 'Not imported: ' + error.message, true);
      showImportErrors(error.problem);
    }
    uploading = null;
    byId('import-go').disabled = false;
    byId('import-abort').hidden = true;
    byId('import-progress').hidden = true;
  });
  byId('import-abort').addEventListener('click', () => uploading && uploading.abort());

  // ---------------------------------------------------------------- routes

  function route() {
    const match = /^#\/(batches|schedules)\/([^/]+)$/.exec(location.hash);
    let name = '';
    try {
      name = match ? decodeURIComponent(match[2]) : '';
    } catch (error) {
      name = '';
    }
    const kind = name ? (match[1] === 'batches' ? 'batch' : 'schedule') : '';
    const section = /^#[a-z]+$/.test(location.hash) ? byId(location.hash.slice(1)) : null;
    const came = opened.kind !== kind || opened.name !== name;
    if (came) Object.assign(opened, {kind, name, visit: opened.visit + 1});
    byId('overview').hidden = kind !== '';
    byId('opened').hidden = kind === '';
    if (kind === '') {
      if (section) {
        section.scrollIntoView();
        section.focus({preventScroll: true});
      }
    } else if (came) {
      Object.assign(shown, {over: false, failed: 0, batch: null});
      summary.last = false;
      forgetFailures();
      setText(byId('opened-title'), (kind === 'batch' ? 'Batch ' : 'Schedule ') + name);
      setChip(byId('opened-state'), '', '');
      setNote(byId('opened-note'), '');
      byId('opened-cancel').hidden = true;
      byId('opened-progress').replaceChildren();
      byId('opened-facts').replaceChildren();
      byId('opened-summary').hidden = kind !== 'batch';
      for (const id of ['ends', 'phases', 'by-agent']) byId(id).replaceChildren();
      byId('results-filter').reset();
      resultsTable.show([]);
      resultsPager.restart();
      resultsPager.show(null, '');
      setNote(byId('results-note'), '');
      results.last = false;
      window.scrollTo(0, 0);
      byId('opened-title').focus({preventScroll: true});
    }
    pollAll();
  }

  window.addEventListener('hashchange', route);
  keepToken();
  route();
})();
