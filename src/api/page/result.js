// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// One result.

const kPhases = ['dns', 'connect', 'tls', 'send', 'first_byte', 'receive', 'query'];

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
