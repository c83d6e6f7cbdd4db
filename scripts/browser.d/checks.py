# SPDX-License-Identifier: Apache-2.0
"""What holds for every page of `bulkheadctl report`, and what its controls do."""

import json


class Fault(Exception):
    """A check has failed."""


def expect(condition, what):
    if not condition:
        raise Fault(what)


def ask(page, question):
    """The result of a function of inside.js, without faults."""
    answer = page.run(f"inside.{question}()")
    expect(not answer["faults"], "; ".join(answer["faults"][:5]))
    return answer["looked"]


def data(page):
    return json.loads(page.run("document.getElementById('data').textContent"))


def quiet(page):
    page.run("new Promise(done => setTimeout(done))")
    expect(not page.complaints, "; ".join(page.complaints[:5]))
    return "no error, no request, no dialog"


def markup(page):
    return ask(page, "markup")


def contrast(page):
    return ask(page, "contrast")


def overflow(page):
    return ask(page, "overflow")


def put(page, field, value, event):
    """Gives a field of the bar a value, as if it had been chosen."""
    page.run(f"""(() => {{ const field = document.getElementById('{field}'); field.value = {json.dumps(value)};
      field.dispatchEvent(new Event('{event}')); }})()""")


# States of the page

def open_everything(page):
    """Opens a group of findings, its first suggestion, a workload, and the reason of its first pair."""
    page.click("document.querySelector('details.group summary')")
    page.wait("document.querySelector('ol.list > li')", "the findings of a group are listed")
    if page.run("document.querySelector('ol.list details summary') !== null"):
        page.click("document.querySelector('ol.list details summary')")
        page.wait("document.querySelector('ol.list details pre')", "the suggested policy is shown")
    page.click("document.querySelector('#ranks button')")
    page.wait("!document.getElementById('back').hidden", "a workload is shown")
    if page.run("document.querySelector('#pairs td:last-child button') !== null"):
        page.click("document.querySelector('#pairs td:last-child button')")
        page.wait("!document.getElementById('why').hidden", "the reason is shown")


# Keyboard

def keyboard(page):
    """Tab reaches every control in the order of the page, each shows that it has the focus, and each has a name."""
    page.run("document.activeElement.blur(), scrollTo(0, 0)")
    count, order = page.run("inside.count()"), []
    expect(count >= 10, f"only {count} controls")
    limit = min(count, 150)
    for _ in range(limit):
        page.press("Tab")
        at = page.run("inside.focused()")
        expect(at["isVisible"], f"the focus is not visible: {at['name']}")
        expect(at["isInWindow"], f"what has the focus is out of sight: {at['name']}")
        order.append(at["number"])
    names = page.run("inside.names()")
    missing = [names[n] for n in range(limit) if n not in order]
    expect(not missing, f"Tab does not reach {missing[:3]}")
    expect(order == sorted(order), f"Tab jumps: {order}")
    nameless(page)
    unreachable(page)
    return f"{limit} of {count} controls in order"


INTERACTIVE = {"button", "link", "searchbox", "textbox", "checkbox", "combobox", "DisclosureTriangle", "region"}


def nameless(page):
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    page.call("Accessibility.disable")
    looked = 0
    for node in nodes:
        role = node.get("role", {}).get("value")
        if node.get("ignored") or role not in INTERACTIVE:
            continue
        looked += 1
        expect(node.get("name", {}).get("value", "").strip(), f"a {role} has no name")
    expect(looked >= 10, f"only {looked} named controls")


IS_REACHABLE = """
  function() {
    if (this.matches('button, a[href], input, summary, select')) return '';
    const label = this.closest('svg[role=img]')?.getAttribute('aria-label') ?? '';
    return label.includes('The table below has the same') ? '' : this.outerHTML;
  }"""


def unreachable(page):
    """What takes a click is a control, or part of a picture that says that the table has the same."""
    page.run("globalThis.listened = [...document.querySelectorAll('*')].filter(e => e.children.length < 200)")
    listened = page.call("Runtime.evaluate", expression="globalThis.listened")["result"]["objectId"]
    members = page.call("Runtime.getProperties", objectId=listened, ownProperties=True)["result"]
    looked = 0
    for member in members:
        value = member.get("value", {})
        if value.get("subtype") != "node":
            continue
        listeners = page.call("DOMDebugger.getEventListeners", objectId=value["objectId"])["listeners"]
        if not any(listener["type"] == "click" for listener in listeners):
            continue
        looked += 1
        answer = page.call("Runtime.callFunctionOn", objectId=value["objectId"], returnByValue=True,
                           functionDeclaration=IS_REACHABLE)["result"]["value"]
        expect(answer == "", f"a click needs a mouse: {answer[:200]}")
    expect(looked > 5, f"only {looked} elements take a click")


def keys_work(page):
    """Enter and Space do what a click does, and the focus is never lost."""
    page.run("document.querySelector('details.group summary').focus()")
    page.press("Enter")
    page.wait("document.querySelector('details.group').open && document.querySelector('ol.list > li')", "Enter opens")
    page.run("document.querySelector('#grades input').focus()")
    page.press("Space")
    page.wait("!document.querySelector('#grades input').checked", "Space unchecks")
    page.press("Space")
    steps = [("#ranks button", "!document.getElementById('back').hidden"), ("#pairs td button", "true"),
             ("#pairs td:last-child button", "!document.getElementById('why').hidden"),
             ("#back", "document.getElementById('back').hidden")]
    for selector, condition in steps:
        page.run(f"document.querySelector('{selector}').focus()")
        page.press("Enter")
        page.wait(condition, f"Enter on {selector}")
        at = page.run("document.activeElement.tagName")
        expect(at != "BODY", f"the focus is lost after Enter on {selector}")
    while page.run("[...document.querySelectorAll('#morerank button')].some(b => !b.hidden)"):
        page.run("document.querySelector('#morerank button').focus()")
        page.press("Enter")
        expect(page.run("document.activeElement.tagName") != "BODY", "the focus is lost after 'Show more'")
    return "Enter and Space"


# What the controls do; expectations come from the data by themselves.

def text_of(party):
    return f"{party[0]}/{party[2]}" if party[0] else party[2]


def pairs_of(content, number):
    """The pairs of a party, as the table shows them."""
    pairs = set()
    for source, link, *runs in content["edges"]:
        for first, length in zip(runs[::2], runs[1::2]):
            for target in range(first, first + length):
                if number in (source, target):
                    pairs.add((text_of(content["parties"][source]), text_of(content["parties"][target]),
                               content["access"][content["links"][link][0]][0]))
    return pairs


def rows(page, table):
    return page.run(f"""[...document.querySelectorAll('{table} tbody tr')].map(r => [...r.cells].map(c =>
      c.querySelector('button') ? c.querySelector('button').textContent : c.textContent))""")


def show_all(page, box):
    while page.run(f"Boolean(document.querySelector('{box} button.more:not([hidden])'))"):
        page.run(f"document.querySelector('{box} button.more:not([hidden])').click()")


def search(page):
    content = data(page)
    party = content["parties"][content["rank"][-1]]
    name = text_of(party)
    page.click("document.getElementById('search')")
    page.write(name.upper() if name.isascii() else name)
    matching = [p for p in content["parties"] if p[0] and name.lower() in f"{p[0]}/{p[2]} {p[1]}".lower()]
    page.wait(f"document.querySelectorAll('#ranks tr').length === {min(len(matching), 20)}", "the list is searched")
    expect(name in [row[0] for row in rows(page, "#risk ~ .wide")], f"{name} is not found")
    found = page.run("document.getElementById('found').textContent")
    count = sum(1 for f in content["findings"] if name.lower() in (
        f"{f['o']} {f['m']} {content['kinds'][f['c']]['code']} {content['kinds'][f['c']]['title']}").lower())
    expect(found == (f"{count} finding{'' if count == 1 else 's'} shown" if count else "No finding matches."),
           f"'{found}' for {count}")
    put(page, "search", "no such thing", "input")
    page.wait("document.getElementById('found').textContent === 'No finding matches.'", "nothing is found")
    put(page, "search", "", "input")
    total = len(content["findings"])
    page.wait(f"document.getElementById('found').textContent.startsWith('{total} ')", "all is shown again")
    return f"{len(matching)} of {len(content['rank'])} workloads, {count} of {total} findings"


def filters(page):
    content = data(page)
    for index, grade in enumerate(["high", "medium", "low", "info"]):
        page.click(f"document.querySelectorAll('#grades input')[{index}]")
        left = sum(1 for f in content["findings"] if content["kinds"][f["c"]]["severity"] != grade)
        page.wait(f"document.getElementById('found').textContent.startsWith('{left or 'No'} ')", f"without {grade}")
        shown = page.run(f"document.querySelectorAll('details.group .{grade}').length")
        expect(shown == 0, f"{grade} is still shown")
        page.click(f"document.querySelectorAll('#grades input')[{index}]")
    space = content["parties"][0][0]
    put(page, "space", space, "change")
    page.wait(f"document.getElementById('focus').textContent === {json.dumps(space)}", "the namespace is chosen")
    show_all(page, "#morerank")
    shown = {row[0] for row in rows(page, "#risk ~ .wide")}
    expected = {text_of(p) for p in content["parties"] if p[0] == space}
    expect(shown == expected, f"{len(shown)} workloads of {len(expected)} in {space}")
    put(page, "space", "", "change")
    return f"severities, and {len(expected)} workloads of a namespace"


def drill_down(page):
    """From a finding to a workload, its pairs and the reason with the policy's text, and back; by the picture, too."""
    content = data(page)
    number = next(n for n in content["rank"] if any(f["p"] == n for f in content["findings"]))
    name = text_of(content["parties"][number])
    finding = next(f for f in content["findings"] if f["p"] == number)
    box = f"details.group[data-code={content['kinds'][finding['c']]['code']}]"
    group = f"document.querySelector('{box}')"
    page.click(f"{group}.querySelector('summary')")
    page.wait(f"{group}.querySelector('li')", "the group opens")
    show_all(page, box)
    listed = page.run(f"{group}.querySelectorAll('ol.list > li').length")
    expect(listed == sum(1 for f in content["findings"] if f["c"] == finding["c"]), f"{listed} findings listed")
    if "y" in finding:
        item = f"""[...{group}.querySelectorAll('ol.list > li')]
          .find(l => l.textContent.startsWith({json.dumps(finding['o'])}))"""
        page.click(f"{item}.querySelector('summary')")
        page.wait(f"{item}.querySelector('pre')", "the suggestion opens")
        text = page.run(f"{item}.querySelector('pre').textContent")
        expect(text == content["texts"][finding["y"]], "another policy")
    page.click(f"""[...{group}.querySelectorAll('li > button')]
      .find(b => b.textContent === {json.dumps(finding['o'])})""")
    page.wait(f"document.getElementById('focus').textContent === {json.dumps(name)}", "the workload is shown")
    expect(page.run("""(() => { const h = document.getElementById('reach'), r = h.getBoundingClientRect();
      return h.contains(document.elementFromPoint(r.x + 5, r.y + r.height / 2)); })()"""), "the heading is covered")
    show_all(page, "#pairs")
    shown, expected = {tuple(row[:3]) for row in rows(page, "#pairs")}, pairs_of(content, number)
    expect(shown == expected and shown, f"{name}: {len(shown)} pairs are shown of {len(expected)}")
    page.click("document.querySelector('#pairs td:last-child button')")
    page.wait("!document.getElementById('why').hidden", "the reason is shown")
    expect(page.run("document.activeElement.id") == "why", "the reason has not the focus")
    expect("gress: " in page.run("document.getElementById('why').textContent"), "no rule is named")
    if is_drawn(page, "path.hit"):
        page.run("document.getElementById('why').hidden = true")
        page.click("document.querySelector('#drawing path.hit')")
        page.wait("!document.getElementById('why').hidden", "an arrow is explained")
    if is_drawn(page, "g.pick:not(.chosen)"):
        page.click("document.querySelector('#drawing g.pick:not(.chosen)')")
        page.wait(f"document.getElementById('focus').textContent !== {json.dumps(name)}", "a box is chosen")
    page.click("document.getElementById('back')")
    page.wait("document.getElementById('focus').textContent === 'all namespaces'", "all namespaces again")
    return f"{len(expected)} pairs of {name[:40]}"


def is_drawn(page, selector):
    return page.run(f"document.querySelector('#drawing {selector}') !== null")


def policy_text(page):
    """The text of the policy that decides is that of the data."""
    content = data(page)
    number = next((n for n, rule in enumerate(content["rules"]) if rule[1]), None)
    expect(number is not None, "no rule of a policy")
    access = next(n for n, a in enumerate(content["access"]) if any(number in part[2:4] for part in a[1]))
    link = next(n for n, l in enumerate(content["links"]) if l[0] == access)
    source, _, target, *_ = next(e for e in content["edges"] if e[1] == link)
    name, other = (text_of(content["parties"][n]) for n in (source, target))
    page.run(f"focusOn({{party: {source}}})")
    show_all(page, "#pairs")
    page.run(f"""[...document.querySelectorAll('#pairs tr')]
      .find(r => r.cells[1].textContent === {json.dumps(other)}).querySelector('td:last-child button').click()""")
    texts = page.run("[...document.querySelectorAll('#why pre')].map(p => p.textContent)")
    expected = content["policies"][content["rules"][number][1][0]][2]
    expect(expected in texts, f"{name} to {other}: the text of the policy is missing")
    page.run("focusOn(null)")
    return f"{len(expected)} characters"
