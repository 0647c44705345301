// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// An opened batch or schedule.

const openedPath = () => 'v1/' + (opened.kind === 'batch' ? 'batches/' : 'schedules/') + encodeURIComponent(opened.name);
const key = (...parts) => JSON.stringify(parts);

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
