// SPDX-License-Identifier: Apache-2.0

extension ReportScript {
    static let picture = #"""
        const outgoing = new Map();
        for (const [from, link, ...runs] of D.edges) {
          if (!outgoing.has(from)) outgoing.set(from, []);
          outgoing.get(from).push([link, runs]);
        }
        function eachOut(i, visit) {
          for (const [link, runs] of outgoing.get(i) || []) for (let r = 0; r < runs.length; r += 2)
            for (let to = runs[r]; to < runs[r] + runs[r + 1]; to++) visit(to, link);
        }
        function eachIn(j, visit) {
          for (const [from, link, ...runs] of D.edges) for (let r = 0; r < runs.length; r += 2)
            if (j >= runs[r] && j < runs[r] + runs[r + 1]) visit(from, link);
        }
        const access = link => D.access[D.links[link][0]];
        const depends = link => access(link)[1].every(a => a[1] === 1);
        // A namespace may be called 'outside'; no name begins with a space.
        const groupName = p => p.ns || ' ' + p.name;
        function short(text, n) { const c = [...text]; return c.length > n ? c.slice(0, n - 1).join('') + '…' : text; }
        // The pairs of a focus: [from, to, link]. A focus is one party or one namespace.
        function pairs(focus) {
          const all = [];
          const inside = p => focus.party !== undefined ? p.id === focus.party : p.ns === focus.space;
          for (const p of P) if (inside(p)) {
            eachOut(p.id, (to, link) => all.push([p.id, to, link]));
            eachIn(p.id, (from, link) => { if (!inside(P[from])) all.push([from, p.id, link]); });
          }
          return {all, inside};
        }
        function portsOf(list) {
          const names = [...new Set(list.map(x => access(x[2])[0]))];
          return names.length > 2 ? names.slice(0, 2).join('; ') + '; …' : names.join('; ');
        }
        const LIMIT = 24;
        function columns(focus) {
          const {all, inside} = pairs(focus), sides = [new Map(), new Map(), new Map()], edges = new Map();
          const byParty = focus.party !== undefined;
          const item = (side, p) => {
            const key = side === 1 || byParty ? 'p' + p.id : 'g' + groupName(p);
            if (!sides[side].has(key)) sides[side].set(key, {key, p, byParty: side === 1 || byParty, n: 0});
            return sides[side].get(key);
          };
          for (const p of P) if (inside(p)) item(1, p);
          for (const pair of all) {
            const [from, to] = [P[pair[0]], P[pair[1]]], isIn = !inside(from);
            if (!isIn && inside(to)) continue;
            const a = isIn ? item(0, from) : item(1, from), b = isIn ? item(1, to) : item(2, to);
            a.n++; b.n++;
            const key = (isIn ? 0 : 1) + a.key + ' ' + b.key;
            if (!edges.has(key)) edges.set(key, {isIn, a, b, list: []});
            edges.get(key).list.push(pair);
          }
          return {sides: sides.map(s => [...s.values()]), edges: [...edges.values()]};
        }
        function drawFocus(focus) {
          const {sides, edges} = columns(focus), W = 1100, BOX = 250, ROW = 44;
          const shown = sides.map(s => s.slice(0, LIMIT)), x = [8, (W - BOX) / 2, W - BOX - 8];
          const height = Math.max(...shown.map(s => s.length), 1) * ROW + 56;
          const svg = sv('svg', {viewBox: '0 0 ' + W + ' ' + height, role: 'img',
            'aria-label': 'Who reaches ' + focusName(focus) + ', and what it reaches. The table below has the same.'});
          ['Can reach it', focusName(focus), 'It can reach'].forEach((text, i) =>
            svg.append(sv('text', {class: 'fit', x: x[i], y: 18, 'font-weight': 600}, short(text, 34))));
          const place = new Map();
          shown.forEach((side, s) => side.forEach((item, i) => {
            const top = (height - 56 - side.length * ROW) / 2;
            place.set(s + item.key, 32 + top + i * ROW + 17); }));
          let drawn = 0;
          for (const edge of edges) {
            const from = place.get((edge.isIn ? 0 : 1) + edge.a.key), to = place.get((edge.isIn ? 1 : 2) + edge.b.key);
            if (from === undefined || to === undefined || drawn++ > 400) continue;
            const x1 = x[edge.isIn ? 0 : 1] + BOX, x2 = x[edge.isIn ? 1 : 2], mid = (x1 + x2) / 2;
            const d = 'M' + x1 + ' ' + from + 'C' + mid + ' ' + from + ' ' + mid + ' ' + to + ' ' + x2 + ' ' + to;
            const pick = () => explain(edge.list);
            svg.append(sv('path', {class: 'hit', d, onclick: pick}, sv('title', {}, portsOf(edge.list))),
              sv('path', {class: 'edge' + (edge.list.every(e => depends(e[2])) ? ' depends' : ''), d}));
            if (edges.length <= 40) svg.append(sv('text', {class: 'label', x: edge.isIn ? x1 + 6 : x2 - 6,
              y: (edge.isIn ? from : to) - 4, 'text-anchor': edge.isIn ? 'start' : 'end'}, short(portsOf(edge.list), 24)));
          }
          shown.forEach((side, s) => side.forEach(item => {
            const y = place.get(s + item.key) - 17;
            const name = item.byParty ? item.p.text : groupName(item.p);
            const go = () => focusOn(item.byParty ? {party: item.p.id} : item.p.ns ? {space: item.p.ns} : {party: item.p.id});
            svg.append(sv('g', {class: 'pick' + (s === 1 ? ' chosen' : ''), onclick: go},
              sv('title', {}, name), sv('rect', {class: 'box', x: x[s], y, width: BOX, height: 34, rx: 6}),
              sv('text', {class: 'fit', x: x[s] + 8, y: y + 22}, short(name, 34))));
          }));
          const hidden = sides.map((s, i) => s.length - shown[i].length).reduce((a, b) => a + b, 0);
          $('cut').textContent = hidden ? hidden + ' more are in the table.' : '';
          draw(svg);
        }
        // Wide letters must not leave their box.
        function draw(svg) {
          $('drawing').replaceChildren(svg);
          for (const text of svg.querySelectorAll('.fit')) {
            const room = text.previousSibling && text.previousSibling.tagName === 'rect' ? text.previousSibling.width.baseVal.value : 260;
            if (text.getComputedTextLength() <= room - 16) continue;
            text.setAttribute('textLength', room - 16);
            text.setAttribute('lengthAdjust', 'spacingAndGlyphs');
          }
        }

        """#

    static let details = #"""
        function focusName(focus) { return focus.party !== undefined ? P[focus.party].text : focus.space; }
        // "itself, 2 other namespaces, outside"
        function groupWords(list, self, groups) {
          const isSpace = i => !groups[i].startsWith(' '), others = list.filter(i => i !== self && isSpace(i)).length;
          const other = isSpace(self) ? 'other namespace' : 'namespace';
          return [list.includes(self) ? 'itself' : '', others ? count(others, other) : '',
            ...list.filter(i => i !== self && !isSpace(i)).map(i => groups[i].trim()).sort()].filter(w => w).join(', ') || 'none';
        }
        function drawOverview() {
          const groups = [...new Set(P.map(groupName))], number = new Map(groups.map((g, i) => [g, i]));
          const table = groups.map(() => new Map());
          for (const p of P) eachOut(p.id, to => {
            const a = number.get(groupName(p)), b = number.get(groupName(P[to]));
            table[a].set(b, (table[a].get(b) || 0) + 1); });
          $('cut').textContent = groups.length > 30 ? 'Too many namespaces to draw at once: choose one.' : '';
          const R = 250, C = {x: 550, y: 300}, svg = sv('svg', {viewBox: '0 0 1100 600', role: 'img',
            'aria-label': 'Namespaces and who reaches whom. The table below has the same.'});
          const at = i => ({x: C.x + R * 1.6 * Math.cos(2 * Math.PI * i / groups.length - Math.PI / 2),
            y: C.y + R * Math.sin(2 * Math.PI * i / groups.length - Math.PI / 2)});
          if (groups.length <= 30) {
            table.forEach((row, a) => row.forEach((n, b) => { if (a !== b) {
              const [s, t] = [at(a), at(b)], d = 'M' + s.x + ' ' + s.y + 'Q' + C.x + ' ' + C.y + ' ' + t.x + ' ' + t.y;
              svg.append(sv('path', {class: 'edge', d, 'stroke-width': Math.min(1 + Math.log2(n) / 2, 6), opacity: 0.6},
                sv('title', {}, groups[a] + ' to ' + groups[b] + ': ' + count(n, 'pair')))); } }));
            groups.forEach((g, i) => {
              const p = at(i), party = P.find(x => groupName(x) === g);
              svg.append(sv('g', {class: 'pick', onclick: () => focusOn(party.ns ? {space: g} : {party: party.id})},
                sv('title', {}, g), sv('rect', {class: 'box', x: p.x - 80, y: p.y - 17, width: 160, height: 34, rx: 6}),
                sv('text', {class: 'fit', x: p.x, y: p.y + 5, 'text-anchor': 'middle'}, short(g, 20)))); });
            draw(svg);
          } else $('drawing').replaceChildren();
          const rows = groups.map((g, i) => ({g, out: [...table[i].keys()], into: groups.map((_, k) => k)
            .filter(k => table[k].has(i)), i}))
            .filter(r => !state.text || r.g.toLowerCase().includes(state.text) || P.some(p => groupName(p) === r.g && seen(p)));
          fillTable(['Namespace', 'Reaches', 'Is reached by'], rows, r => [
            el('button', {type: 'button', class: 'plain', onclick: () => {
              const party = P.find(x => groupName(x) === r.g);
              focusOn(party.ns ? {space: r.g} : {party: party.id}); }}, r.g),
            groupWords(r.out, r.i, groups), groupWords(r.into, r.i, groups)]);
        }
        function fillTable(heads, rows, cells) {
          const body = el('tbody');
          const more = inParts(body, rows, row => el('tr', {}, cells(row).map(c => el('td', {}, c))), 100);
          $('pairs').replaceChildren(el('table', {}, el('thead', {}, el('tr', {}, heads.map(h => el('th', {scope: 'col'}, h)))),
            body), more);
        }
        function drawPairs(focus) {
          const {all} = pairs(focus), go = i => el('button', {type: 'button', class: 'plain',
            onclick: () => focusOn({party: i})}, P[i].text);
          fillTable(['From', 'To', 'Ports', 'Why'], all, pair => [go(pair[0]), go(pair[1]), access(pair[2])[0],
            el('button', {type: 'button', onclick: () => explain([pair]),
              'aria-label': 'Why ' + P[pair[0]].text + ' reaches ' + P[pair[1]].text}, 'Why')]);
        }
        function explain(list) {
          const box = $('why'), policies = new Set();
          box.hidden = false;
          box.replaceChildren(el('h3', {}, list.length === 1 ? 'Why this is open' : 'Why these ' + list.length + ' are open'));
          for (const [from, to, link] of list.slice(0, 20)) {
            const [, families, networks, a, aa, b, bb] = D.links[link];
            const part = (p, n, all) => p.text + (n < all ? ' (' + n + ' of ' + all + ' pods)' : '');
            box.append(el('p', {}, el('b', {}, part(P[from], a, aa) + ' to ' + part(P[to], b, bb)),
              families === 3 ? null : families === 1 ? ' (IPv4)' : ' (IPv6)', networks ? ': ' + networks : null));
            box.append(el('ul', {}, access(link)[1].map(([ports, verdict, e, i]) => el('li', {}, ports + ': ' +
              (verdict ? 'depends on the request' : 'allowed') + [e, i].filter(r => r >= 0).map(r => {
                D.rules[r][1].forEach(p => policies.add(p)); return '; ' + D.rules[r][0]; }).join('')))));
          }
          if (list.length > 20) box.append(el('p', {}, (list.length - 20) + ' more: choose a workload.'));
          for (const p of policies) box.append(el('h3', {}, D.policies[p][0] + ' ', el('span', {class: 'dim'}, D.policies[p][1])),
            ...policyBox(D.policies[p][2], D.policies[p][0]));
          box.focus();
          box.scrollIntoView({block: 'nearest'});
        }
        // What is chosen goes away with what was drawn, so the focus moves to the heading, except at a choice above it.
        function focusOn(focus, isStill) {
          state.focus = focus;
          $('why').hidden = true;
          $('focus').textContent = focus ? focusName(focus) : 'all namespaces';
          $('back').hidden = !focus;
          if (focus) { drawFocus(focus); drawPairs(focus); } else drawOverview();
          if (!isStill) { $('reach').focus(); $('reach').scrollIntoView(); }
        }
        function refresh() { drawFindings(); drawRanks(); if (!state.focus) drawOverview(); }
        function start() {
          const tiles = grades.map(g => [D.findings.filter(f => D.kinds[f.c].severity === g).length, g]);
          for (const c of D.counts) tiles.push(c);
          $('tiles').append(...tiles.map(t => el('li', {}, el('b', {}, String(t[0])), t[1])));
          $('notes').append(...D.notes.map(n => el('p', {class: 'dim'}, 'Note: ' + n)));
          $('space').append(...spaces.map(ns => el('option', {value: ns}, ns)));
          let timer;
          $('search').addEventListener('input', e => { clearTimeout(timer); timer = setTimeout(() => {
            state.text = e.target.value.trim().toLowerCase(); refresh(); }, 150); });
          $('space').addEventListener('change', e => { state.space = e.target.value; refresh();
            focusOn(state.space ? {space: state.space} : null, true); });
          for (const g of grades) $('grades').append(el('label', {}, el('input', {type: 'checkbox', checked: '',
            onchange: e => { if (e.target.checked) state.grades.add(g); else state.grades.delete(g); drawFindings(); }}), g));
          $('back').addEventListener('click', () => focusOn(null));
          // Paper does not wait for the events of what opens.
          addEventListener('beforeprint', () => {
            document.querySelectorAll('details.group').forEach(d => { d.open = true; d.fill(); });
            document.querySelectorAll('button.more').forEach(b => b.toPrint()); });
          drawFindings(); drawRanks(); focusOn(null, true);
          document.body.dataset.ready = 'yes';
        }
        start();
        """#
}
