// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The table of schedules, with the ends of their latest runs.

const kSchedulesPage = 50;

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
