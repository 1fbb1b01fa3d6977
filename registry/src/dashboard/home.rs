//! The first page: what is registered, how peers are, and whether leases are held.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::html::{Html, about, moment, span};
use super::whole;
use crate::book::preserve::{Explanation, Verdict};
use crate::book::{Lease, Now};
use crate::http::path::Query;
use crate::http::{App, operate};
use crate::model::Status;
use crate::peer::State;

/// Instances on one page; with more, one searches.
const SHOWN_MAX: usize = 500;

/// Returns the page.
pub(super) fn page(app: &App, query: &Query) -> String {
    let now = app.time.now();
    let wanted = query.get("q").unwrap_or_default().trim().to_lowercase();
    let (why, counts, mut leases) = {
        let book = app.desk.book();
        let fits = |lease: &&Lease| {
            let it = &lease.instance;
            let text = |text: &str| text.to_lowercase().contains(&wanted);
            wanted.is_empty() || text(&it.app) || text(it.id()) || text(it.status.name())
        };
        let leases: Vec<Lease> = book.leases().filter(fits).cloned().collect();
        let counts = Status::ALL.map(|status| (status, book.count(status)));
        (book.explain(now), counts, leases)
    };
    leases.sort_by(|a, b| {
        let key = |lease: &Lease| (lease.instance.app.clone(), lease.instance.id().to_owned());
        key(a).cmp(&key(b))
    });
    let mut html = Html::default();
    banner(&mut html, &why);
    facts(&mut html, app, &why, now);
    peers(&mut html, app, now);
    html.raw("<section><div class=\"row\"><h2>Applications</h2>");
    search(&mut html, &wanted);
    html.raw("</div><p class=\"counts\">");
    for (status, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        html.badge(status);
        html.element(" <b>", &count.to_string(), "</b> ");
    }
    html.raw("</p>");
    applications(&mut html, app, &leases, now);
    html.raw("</section>");
    whole("Registry", true, &html)
}

fn banner(html: &mut Html, why: &Explanation) {
    match why.verdict {
        Verdict::Held => html.raw("<p class=\"banner held\"><b>Leases are held.</b> "),
        Verdict::Quiet => return,
        _ => html.raw("<p class=\"banner\">"),
    }
    html.text(&operate::because(why));
    html.raw(" ");
    html.link("/explain", "Why, and what to do");
    html.raw("</p>");
}

fn facts(html: &mut Html, app: &App, why: &Explanation, now: Now) {
    html.raw("<dl class=\"facts\">");
    html.fact("Instances", &why.instances.to_string());
    html.fact("Leases that ran out", &why.expired.to_string());
    let expected = format!("{:.0}", why.expected_per_min);
    html.fact("Renewals a minute, promised", &expected);
    html.fact(
        "Renewals in the last minute",
        &why.renewals_last_min.to_string(),
    );
    let preservation = match why.verdict {
        Verdict::Held => "holding",
        _ if app.desk.book().rules().self_preservation => "ready",
        _ => "switched off",
    };
    html.fact("Self-preservation", preservation);
    // Until a registry has asked its peers, what it knows may be too little to tell clients.
    let ready = if app.is_ready() {
        "complete, handed out"
    } else {
        "not complete yet"
    };
    html.fact("Applications known", ready);
    html.fact("Up for", &span(now.steady_ms.saturating_sub(app.began_ms)));
    html.fact("Now (UTC)", &moment(now.wall_ms));
    html.raw("</dl>");
}

fn peers(html: &mut Html, app: &App, now: Now) {
    let peers = app.desk.peers().all();
    html.raw("<section><h2>Peers</h2>");
    if app.settings.peers.is_empty() {
        html.raw("<p class=\"empty\">None: this registry is alone.</p></section>");
        return;
    }
    if peers.is_empty() {
        html.raw("<p class=\"empty\">Their names have no address yet.</p></section>");
        return;
    }
    html.raw("<div class=\"table\"><table><thead><tr><th>Peer</th><th>State</th>");
    for number in ["Lag", "Probe", "Waiting", "Told", "Failed"] {
        html.element("<th class=\"number\">", number, "</th>");
    }
    html.raw("</tr></thead><tbody>");
    for peer in peers {
        let state = peer.state();
        let (word, why) = operate::words(&state);
        html.element("<tr><td class=\"long\">", &peer.name, "</td><td>");
        html.raw(match state {
            State::Up => "<span class=\"badge up\">",
            State::Down(_) => "<span class=\"badge down\">",
            _ => "<span class=\"badge unknown\">",
        });
        html.text(word);
        html.raw("</span>");
        if let Some(why) = why {
            html.element(" <small>", &why, "</small>");
        }
        html.raw("</td>");
        let is_other = state != State::Myself;
        let load = |figure: &std::sync::atomic::AtomicU64| figure.load(Ordering::Relaxed);
        for figure in [
            span(peer.lag_ms(now)),
            tenths_ms(load(&peer.figures.probe_us)),
            peer.outbox.len().to_string(),
            load(&peer.figures.told).to_string(),
            load(&peer.figures.failed).to_string(),
        ] {
            let figure = if is_other { figure.as_str() } else { "" };
            html.element("<td class=\"number\">", figure, "</td>");
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div></section>");
}

/// Returns milliseconds with a digit behind the point.
fn tenths_ms(us: u64) -> String {
    format!("{}.{} ms", us / 1000, us / 100 % 10)
}

fn search(html: &mut Html, wanted: &str) {
    html.raw(
        "<form class=\"search\" role=\"search\"><label>Find <input type=\"search\" name=\"q\"",
    );
    html.raw(" placeholder=\"application, id or status\" value=\"");
    html.text(wanted);
    html.raw("\"></label><button>Find</button></form>");
}

fn applications(html: &mut Html, app: &App, leases: &[Lease], now: Now) {
    if leases.is_empty() {
        html.raw("<p class=\"empty\">Nobody is registered here, or nobody is found.</p>");
        return;
    }
    let mut by_app: BTreeMap<&str, Vec<&Lease>> = BTreeMap::new();
    for lease in leases.iter().take(SHOWN_MAX) {
        by_app.entry(&lease.instance.app).or_default().push(lease);
    }
    for (name, leases) in by_app {
        html.element("<article><h3>", name, "");
        html.element(
            " <small>",
            &leases.len().to_string(),
            "</small></h3><ul class=\"instances\">",
        );
        for lease in leases {
            instance(html, app, lease, now);
        }
        html.raw("</ul></article>");
    }
    if leases.len() > SHOWN_MAX {
        let more = format!(
            "{} more are not shown: search for them.",
            leases.len() - SHOWN_MAX
        );
        html.element("<p class=\"empty\">", &more, "</p>");
    }
}

fn instance(html: &mut Html, app: &App, lease: &Lease, now: Now) {
    let it = &lease.instance;
    html.raw("<li><span>");
    html.badge(it.status);
    if it.overridden != Status::Unknown {
        html.raw(" <small>set by hand</small>");
    }
    html.raw("</span><span class=\"long\">");
    html.link(&about("/instance?", &it.app, it.id()), it.id());
    html.raw("</span><span>");
    let address = format!(
        "{}:{}",
        it.ip_addr.as_deref().unwrap_or_default(),
        it.port.number
    );
    html.outward(it.status_page_url.as_deref().unwrap_or_default(), &address);
    html.raw("</span><span>");
    lease_text(html, lease, now);
    html.raw("</span><span class=\"actions\">");
    if !app.settings.read_only {
        actions(html, lease);
    }
    html.raw("</span></li>");
}

/// Appends how long a lease lasts.
pub(super) fn lease_text(html: &mut Html, lease: &Lease, now: Now) {
    if lease.is_expired(now) {
        let since = span(now.steady_ms.saturating_sub(lease.expires_ms()));
        html.element("<span class=\"late\">ran out ", &since, " ago</span>");
    } else {
        let silent = span(now.steady_ms.saturating_sub(lease.renewed_ms));
        html.element("<span class=\"lease\">renewed ", &silent, " ago</span>");
    }
}

/// Appends what can be done about an instance; each asks before it does it.
pub(super) fn actions(html: &mut Html, lease: &Lease) {
    let it = &lease.instance;
    let (page, word) = if it.overridden == Status::Unknown {
        ("/confirm?do=take-out&", "Take out of service")
    } else {
        ("/confirm?do=give-back&", "Give back")
    };
    html.link(&about(page, &it.app, it.id()), word);
    html.raw(" ");
    html.link(&about("/confirm?do=purge&", &it.app, it.id()), "Purge");
}
