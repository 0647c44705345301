// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The head of the page: what the master says of itself and of its ledger.

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
