// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Shows what the API tells, and nothing else. Everything that came over the network is put in as
// text; lists are asked for a page at a time; one request of a kind is open at most, and none while
// nobody looks.
// This part goes from the address to what is shown, and starts it all.

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
