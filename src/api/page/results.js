// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Results of an opened batch or schedule.

const kResultsPage = 100;
const kFilteredPage = 1000; // read at once when the rows are picked here

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
