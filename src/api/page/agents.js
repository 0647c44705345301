// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The table of agents: what each does, and what stands in its way.

const kAgentsPage = 20;

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
