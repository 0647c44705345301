// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Batches.

const kBatchesPage = 20;

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
