#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the manual pages of a program from what its argument parser says of itself.

usage: manual.py DUMP.json SECTION VERSION DATE FOLDER

DUMP.json is the output of `PROGRAM --experimental-dump-help`. Each command of bulkheadctl gets a page of its own, such as
bulkheadctl-verdict.1; other programs have one page with all of their commands.
"""
import json
import pathlib
import sys


def escape(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return text.replace("^", "\\(ha").replace("~", "\\(ti").replace('"', "\\(dq")


def paragraphs(text):
    """Indented lines, and lines of a list, stay as they are; other lines that follow each other are one paragraph."""
    lines = []
    for block in text.strip("\n").split("\n\n"):
        rows = block.split("\n")
        lines.append(".PP")
        if len(rows) > 1:
            lines += [".nf"] + ["\\&" + escape(row) for row in rows] + [".fi"]
        else:
            lines.append("\\&" + escape(rows[0]))
    return lines


def spelled(name):
    dashes = {"long": "--", "longWithSingleDash": "-", "short": "-"}[name["kind"]]
    return dashes + name["name"]


def value(argument):
    return f"\\fI{escape(argument['valueName'])}\\fR"


def synopsis(words, command):
    parts = [f"\\fB{escape(' '.join(words))}\\fR"]
    if command.get("subcommands"):
        parts.append("\\fIcommand\\fR")
    parts.append("[\\fIoptions\\fR]")
    for argument in shown(command):
        if argument["kind"] != "positional":
            continue
        text = value(argument) + (" ..." if argument.get("isRepeating") else "")
        parts.append(f"[{text}]" if argument.get("isOptional") else text)
    return " ".join(parts)


def shown(command):
    return [argument for argument in command.get("arguments", []) if argument.get("shouldDisplay", True)]


def options(command):
    lines = []
    for argument in shown(command):
        if argument["kind"] == "positional":
            names = value(argument)
        else:
            names = ", ".join(f"\\fB{escape(spelled(name))}\\fR" for name in argument["names"])
            if argument["kind"] == "option":
                names += " " + value(argument)
        lines += [".TP", names]
        text = argument.get("abstract", "")
        if "defaultValue" in argument and argument["kind"] != "flag":
            text += f" (default: {argument['defaultValue']})"
        lines.append("\\&" + escape(text.strip()))
        if argument.get("discussion"):
            lines += [".IP"] + ["\\&" + escape(argument["discussion"].strip().replace("\n", " "))]
    return lines


def children(command):
    return [inner for inner in command.get("subcommands", []) if inner["commandName"] != "help"]


def body(words, command, has_pages):
    lines = [".SH SYNOPSIS", synopsis(words, command)]
    lines.append(".SH DESCRIPTION")
    lines += paragraphs(command.get("abstract", ""))
    if command.get("discussion"):
        lines += paragraphs(command["discussion"])
    inner = children(command)
    if inner:
        lines.append(".SH COMMANDS")
        for child in inner:
            name = escape(" ".join(words + [child["commandName"]]))
            lines += [".TP", f"\\fB{name}\\fR", "\\&" + escape(child.get("abstract", ""))]
    lines += [".SH OPTIONS"] + options(command)
    if not has_pages:
        for child in inner:
            lines += nested(words, child)
    return lines


def nested(words, command):
    words = words + [command["commandName"]]
    lines = [f".SH {escape(' '.join(words).upper())}", synopsis(words, command)]
    if command.get("discussion"):
        lines += paragraphs(command["discussion"])
    lines += options(command)
    for child in children(command):
        lines += nested(words, child)
    return lines


class Manual:
    def __init__(self, section, version, date, folder):
        self.section, self.version, self.date, self.folder = section, version, date, pathlib.Path(folder)

    def write(self, words, command, has_pages, also):
        name = "-".join(words)
        abstract = command.get("abstract", "").split("\n")[0].rstrip(".")
        lines = [
            f'.TH "{escape(name.upper())}" "{self.section}" "{self.date}" "bulkhead {escape(self.version)}" "Bulkhead"',
            ".nh", ".ad l", ".SH NAME", f"{escape(name)} \\- {escape(abstract)}",
        ]
        lines += body(words, command, has_pages)
        lines += [".SH SEE ALSO", ", ".join(f"\\fB{escape(page)}\\fR({section})" for page, section in also)]
        (self.folder / f"{name}.{self.section}").write_text("\n".join(lines) + "\n")


def main():
    dump, section, version, date, folder = sys.argv[1:]
    command = json.loads(pathlib.Path(dump).read_text())["command"]
    name = command["commandName"]
    manual = Manual(section, version, date, folder)
    has_pages = name == "bulkheadctl"
    also = [page for page in [("bulkheadd", 8), ("bulkheadctl", 1), ("bulkhead-http", 8)] if page[0] != name]
    pages = [(f"{name}-{child['commandName']}", section) for child in children(command)] if has_pages else []
    manual.write([name], command, has_pages, pages + also)
    if has_pages:
        for child in children(command):
            manual.write([name, child["commandName"]], child, False, [(name, section)] + also)


main()
