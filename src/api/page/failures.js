// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Failures of an opened batch or schedule, in groups.

const kFailuresAtOnce = 5000; // looked at for the groups, until more is asked for
const kGroupsMax = 200;

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
