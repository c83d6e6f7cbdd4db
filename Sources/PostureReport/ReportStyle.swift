// SPDX-License-Identifier: Apache-2.0

/// The style sheet of the page. The hash in ``ReportPage`` allows exactly this text.
enum ReportStyle {
    static let text = #"""
        :root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--soft:#f3f5f7;--line:#c9d0d8;--dim:#525c67;--link:#0b57c2;
        --edge:#6b7a8c;--mark:#fff3c4;--hit:#0b57c2}
        @media (prefers-color-scheme:dark){:root{--bg:#14181d;--fg:#e8ebef;--soft:#1f252c;--line:#3b4450;--dim:#aab4c0;
        --link:#8ab8ff;--edge:#8b99aa;--mark:#4a3f12;--hit:#8ab8ff}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,sans-serif}
        header,main{max-width:1200px;margin:0 auto;padding:0 16px}
        h1{font-size:1.6rem;margin:24px 0 4px}h2{font-size:1.25rem;margin:32px 0 8px}h3{font-size:1rem;margin:16px 0 4px}
        a,button.plain{color:var(--link)}
        .skip{position:absolute;left:-9999px}.skip:focus{left:8px;top:8px;background:var(--bg);padding:8px}
        :focus-visible{outline:3px solid var(--hit);outline-offset:2px}
        button,input,select{font:inherit;color:inherit;background:var(--bg);border:1px solid var(--edge);border-radius:6px;
        padding:4px 10px;min-height:36px}
        ::placeholder{color:var(--dim);opacity:1}html{scroll-padding-top:120px}
        button{cursor:pointer}button.plain{border:0;background:none;padding:0;min-height:24px;text-align:left;
        text-decoration:underline}
        .tiles{display:flex;flex-wrap:wrap;gap:8px;margin:16px 0;padding:0;list-style:none}
        .tiles li{background:var(--soft);border:1px solid var(--line);border-radius:8px;padding:6px 14px;min-width:92px}
        .tiles b{display:block;font-size:1.4rem;line-height:1.3}
        .bar{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:end;background:var(--soft);border:1px solid var(--line);
        border-radius:8px;padding:12px;position:sticky;top:0;z-index:2}
        .bar label{display:block;max-width:100%}.bar select{max-width:100%}.bar fieldset{border:0;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:4px 12px}
        .bar fieldset label{display:flex;gap:4px;align-items:center;min-height:36px}.bar legend{padding:0;float:left}
        .bar input[type=checkbox]{min-height:0;width:18px;height:18px}.bar input[type=search]{width:min(320px,80vw)}
        .grade{display:inline-block;border-radius:4px;padding:0 8px;color:#fff;font-weight:600;font-size:.875rem}
        .high{background:#b3261e}.medium{background:#8a5300}.low{background:#1f6f43}.info{background:#455a64}
        details.group{border:1px solid var(--line);border-radius:8px;margin:8px 0;background:var(--bg)}
        details.group>summary{padding:8px 12px;cursor:pointer;background:var(--soft);border-radius:8px}
        ol.list{list-style:none;margin:0;padding:0 12px}ol.list>li{border-top:1px solid var(--line);padding:8px 0}
        .dim{color:var(--dim)}p{margin:4px 0}.wide{overflow-x:auto}
        .names,td,li,pre,summary,p,h3{overflow-wrap:anywhere;unicode-bidi:plaintext}
        pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:8px;white-space:pre-wrap;
        font:13px/1.45 ui-monospace,monospace;margin:4px 0}
        table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:6px 8px;
        border-bottom:1px solid var(--line)}td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}
        td.short{white-space:nowrap}
        ul.plain{margin:0;padding:0;list-style:none}
        svg{display:block;min-width:720px;width:100%;height:auto;font:13px system-ui,sans-serif}
        svg text{fill:var(--fg)}svg .box{fill:var(--soft);stroke:var(--line)}svg .edge{fill:none;stroke:var(--edge)}
        svg .hit{fill:none;stroke:transparent;stroke-width:14;cursor:pointer}svg .hit:hover+.edge{stroke:var(--hit);
        stroke-width:3}svg .pick{cursor:pointer}svg .pick:hover .box{stroke:var(--hit)}svg .label{fill:var(--dim);
        font-size:11px;paint-order:stroke;stroke:var(--bg);stroke-width:3px}svg .depends{stroke-dasharray:6 4}
        svg .chosen .box{fill:var(--mark)}svg .hit+.edge,svg .label{pointer-events:none}
        #why{border:2px solid var(--line);border-radius:8px;padding:8px 12px;margin:12px 0}
        @media (prefers-reduced-motion:no-preference){details.group>summary,button{transition:background-color .15s}}
        @media (max-width:640px){html{scroll-padding-top:0}.bar{position:static}th,td{padding:6px 4px}.hidesmall{display:none}body{font-size:15px}}
        @media print{.bar,.skip,button:not(.plain,.more){display:none}.more{border:0}body{font-size:11px}details.group{break-inside:auto}
        li,tr,pre{break-inside:avoid}.wide{overflow:visible}svg{min-width:0}}
        """#
}
