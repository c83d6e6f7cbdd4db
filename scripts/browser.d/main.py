# SPDX-License-Identifier: Apache-2.0
"""Opens reports in a browser and checks them: main.py BULKHEADCTL FOLDER."""

import os
import re
import subprocess
import sys
import time

import checks
import clusters
from chromium import BrowserError, Chromium, Page

WIDTHS, SCHEMES = (390, 1440), ("light", "dark")
HERE = os.path.dirname(os.path.abspath(__file__))


def visible(name):
    """A name as the page shows it: a line separator has no effect in HTML, other control characters are printed."""
    return "".join(c if c.isprintable() or c in "\u2028\u2029" else " " if c in "\n\t" else f"\\u{ord(c):04x}"
                   for c in name)


class Run:
    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.browser = Chromium()
        self.passed, self.failed = 0, []
        with open(os.path.join(HERE, "inside.js"), encoding="utf-8") as file:
            self.inside = file.read()

    def path(self, name):
        return os.path.join(self.folder, name)

    def report(self, name, objects, file_name=None):
        """The page of a cluster."""
        manifest = self.path(file_name or f"{name}.json")
        clusters.write(manifest, objects)
        began = time.monotonic()
        subprocess.run([self.program, "report", "-f", manifest, "-o", self.path(f"{name}.html")], check=True,
                       capture_output=True)
        return time.monotonic() - began

    def open(self, name, width, scheme):
        page = Page(self.browser, self.path(f"{name}.html"), width, scheme)
        page.run(self.inside)
        return page

    def check(self, where, page, check):
        label = f"{where}: {check.__name__}"
        try:
            looked = check(page)
        except (checks.Fault, BrowserError) as fault:
            self.failed.append(label)
            print(f"FAILED  {label}: {fault}", flush=True)
        else:
            self.passed += 1
            print(f"ok      {label}: {looked}", flush=True)

    # What is looked at

    def looks(self, name):
        """Both widths and schemes: at first, and with everything open."""
        for width in WIDTHS:
            for scheme in SCHEMES:
                where = f"{name}, {width} px, {scheme}"
                page = self.open(name, width, scheme)
                for check in (checks.markup, checks.overflow, checks.contrast):
                    self.check(where, page, check)
                page.screenshot(self.path(f"{name}-{width}-{scheme}.png"))
                checks.open_everything(page)
                page.screenshot(self.path(f"{name}-{width}-{scheme}-open.png"))
                for check in (checks.markup, checks.overflow, checks.contrast, checks.quiet):
                    self.check(f"{where}, open", page, check)
                page.close()

    def works(self, name):
        for width in WIDTHS:
            for check in (checks.search, checks.filters, checks.drill_down, checks.policy_text, checks.keyboard,
                          checks.keys_work):
                page = self.open(name, width, "light")
                self.check(f"{name}, {width} px", page, check)
                self.check(f"{name}, {width} px, then", page, checks.quiet)
                page.close()

    def prints(self, name):
        page = self.open(name, 1440, "dark")
        self.check(name, page, self.printed)
        page.close()

    def printed(self, page):
        """Paper has all findings, and no buttons."""
        path = page.path.removesuffix(".html") + ".pdf"
        page.print_to(path)
        text = subprocess.run(["pdftotext", "-layout", path, "-"], check=True, capture_output=True, text=True).stdout
        words = re.sub(r"\s+", " ", text)
        content = checks.data(page)
        for kind in content["kinds"]:
            found = [f for f in content["findings"] if content["kinds"][f["c"]] is kind]
            if found:
                checks.expect(kind["code"] in words, f"{kind['code']} is not printed")
                start = " ".join(found[0]["m"].split()[:6])
                expected = sum(1 for f in found if f["m"].startswith(start))
                checks.expect(words.count(start) >= expected, f"not all findings of {kind['code']} are printed")
        checks.expect("Reachability" in words and "Show more" not in words, "what is printed has no end, or buttons")
        return f"{text.count(chr(12))} pages"

    def hostile(self):
        page = self.open("hostile", 1440, "light")
        self.check("hostile", page, self.shows_names)
        page.close()

    def shows_names(self, page):
        """Names are shown as they are written, control characters in printed form."""
        page.run("document.querySelectorAll('details.group').forEach(d => { d.open = true; })")
        page.wait("[...document.querySelectorAll('details.group')].every(d => d.querySelector('li'))", "all is open")
        for box in ("#morerank", "#groups"):
            checks.show_all(page, box)
        text = page.run("document.body.textContent.replace(document.getElementById('data').textContent, '')")
        for name in clusters.HOSTILE:
            checks.expect(f"shop/{visible(name)}" in text, f"{name!r} is not shown as text")
        looked = checks.markup(page)
        checks.quiet(page)
        return f"{len(clusters.HOSTILE)} names, {looked}"

    def counts_one_namespace(self, page):
        cells = checks.rows(page, "#pairs")
        shop = next(row for row in cells if row[0] == "shop")
        checks.expect(shop[1:] == ["itself, outside", "itself, outside"], f"{shop}")
        return ", ".join(shop)

    def large(self):
        for width in WIDTHS:
            page = self.open("large", width, "light")
            print(f"time    large, {width} px: first render {page.seconds:.2f} s", flush=True)
            steps = (
                ("search", lambda: checks.put(page, "search", "team-7/", "input"),
                 "[...document.querySelectorAll('#ranks button')].every(b => b.textContent.includes('team-7/'))"),
                ("workload", lambda: page.run("document.querySelector('#ranks button').click()"),
                 "!document.getElementById('back').hidden"),
                ("reason", lambda: page.run("document.querySelector('#pairs td:last-child button').click()"),
                 "!document.getElementById('why').hidden"),
            )
            for name, act, condition in steps:
                began = time.monotonic()
                act()
                page.wait(condition, name)
                page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
                print(f"time    large, {width} px: {name} {time.monotonic() - began:.2f} s", flush=True)
            page.screenshot(self.path(f"large-{width}-light.png"))
            for check in (checks.overflow, checks.contrast, checks.quiet):
                self.check(f"large, {width} px", page, check)
            page.close()
            page = self.open("large", width, "light")
            for check in (checks.filters, checks.drill_down):
                self.check(f"large, {width} px", page, check)
            page.close()

    # The checks themselves: each of these pages has one fault, and the check that is named must find it.

    def broken(self):
        with open(self.path("one-namespace.html"), encoding="utf-8") as file:
            good = re.sub(r'<meta http-equiv="Content-Security-Policy".*?">', '<meta name="no-policy">', file.read())
        faults = [
            (checks.quiet, "start();", "start(); setTimeout(() => missing());"),
            (checks.quiet, "start();", "start(); fetch('file:///elsewhere').catch(() => {});"),
            (checks.quiet, "start();", "start(); setTimeout(() => alert(1));"),
            (checks.markup, "</header>", "<img alt=''></header>"),
            (checks.markup, "</header>", "<p onclick='1'>x</p></header>"),
            (checks.markup, "</header>", "<a href='//example.invalid'>x</a></header>"),
            (checks.overflow, "</header>", "<p><b class='grade' style='width:600px'>wide</b></p></header>"),
            (checks.overflow, "{overflow-wrap:anywhere;", "{white-space:nowrap;"),
            (checks.contrast, "--dim:#525c67", "--dim:#8a939c"),
            (checks.contrast, "--edge:#6b7a8c", "--edge:#b9c2cc"),
            (checks.keyboard, '<input type="search"', '<input type="search" tabindex="-1"'),
            (checks.keyboard, "<label>Search<br>", "<label>"),
            (checks.keyboard, ":focus-visible{outline:3px solid", ":focus-visible{outline:0 solid"),
            (checks.keyboard, '<p class="dim" id="found"', '<div id="f"></div><p class="dim" id="found"'),
            (checks.keys_work, "if (!isStill) { $('reach').focus();", "if (!isStill) {"),
            (checks.drill_down, "box.focus();", ""),
            (checks.search, "p.search.includes(state.text)", "true"),
            (checks.filters, "if (!state.grades.has(kind.severity)) return;", ""),
            (checks.drill_down, "focusOn({party: f.p})", "focusOn({party: f.p + 1})"),
            (checks.drill_down, "if (j >= runs[r]", "if (j > runs[r]"),
            (checks.policy_text, "policyBox(D.policies[p][2]", "policyBox(D.policies[p][0]"),
        ]
        with open(self.path("broken.html"), "w", encoding="utf-8") as file:
            file.write(good)
        for check in dict.fromkeys(check for check, _, _ in faults):
            page = self.open("broken", 390, "light")
            self.check("a page without fault", page, check)
            page.close()
        for number, (check, old, new) in enumerate(faults):
            if old not in good:
                raise SystemExit(f"browser-test: the page has no {old!r} to break")
            text = good.replace(old, new, 1)
            if 'id="f"' in text:
                text = text.replace("start();", "document.getElementById('f').onclick = () => {}; start();")
            with open(self.path("broken.html"), "w", encoding="utf-8") as file:
                file.write(text)
            page = self.open("broken", 390, "light")
            # Some conditions never come true there.
            page.patience = 3
            label = f"broken page {number + 1} ({new[:40]!r}): {check.__name__} finds it"
            try:
                check(page)
            except (checks.Fault, BrowserError) as fault:
                self.passed += 1
                print(f"ok      {label}: {fault}", flush=True)
            else:
                self.failed.append(label)
                print(f"FAILED  {label}", flush=True)
            page.close()


def main(program, folder):
    run = Run(program, folder)
    try:
        run.report("one-namespace", clusters.one_namespace())
        run.report("many-findings", clusters.many_findings())
        run.report("hostile", clusters.hostile(), "<img src=x onerror=alert(1)>.json")
        for name in ("hostile", "many-findings", "one-namespace"):
            run.looks(name)
        run.works("many-findings")
        run.hostile()
        page = run.open("one-namespace", 1440, "light")
        run.check("one-namespace", page, run.counts_one_namespace)
        page.close()
        for name in ("many-findings", "hostile"):
            run.prints(name)
        print(f"time    large: report {run.report('large', clusters.large()):.1f} s", flush=True)
        run.large()
        run.broken()
    finally:
        run.browser.close()
    print(f"browser-test: {run.passed} checks hold, {len(run.failed)} fail; screenshots are in {folder}")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
