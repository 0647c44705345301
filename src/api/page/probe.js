// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// Probe now.

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
